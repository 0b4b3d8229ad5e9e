"""Would the tests have caught the bugs that real implementations had?

    python tests/mutations.py [words of a name ...]

plants them one at a time in a copy of the library's core, runs the tests of that part until the
first failure, and prints bug · test that caught it. It ends with an error where a bug survives, or
where a patch no longer fits the source.
"""

import importlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "ddpm_lessons"


class Bug(NamedTuple):
    """A public bug as a textual patch: (old, new) pairs, each old text once in the file."""

    name: str
    story: str  # where it happened
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: str  # the files of tests to run, until one fails


def bug(name: str, story: str, file: str, *edits: tuple[str, str], tests: str = "") -> Bug:
    return Bug(name, story, f"{file}.py", edits, tests or file)


BUGS = [
    # the schedule
    bug(
        "alpha_bar_prev padded on the wrong side",
        "lucidrains bd1e3b6",
        "schedule",
        ("bars[1:], bars[:-1]))", "bars[1:], bars[1:]))"),
    ),
    bug(
        "cumulative product in float32",
        "lucidrains 402b7c2, diffusers #3056",
        "schedule",
        ("torch.cumprod(self.alphas, dim=0)", "torch.cumprod(self.alphas.float(), dim=0).double()"),
    ),
    bug(
        "coefficients cast to the images' half precision before they are combined",
        "diffusers #3005",
        "schedule",
        ("like.device, dtype)", "like.device, like.dtype)"),
        tests="forward",
    ),
    bug(
        "t = 1 is the second step",
        "minDiffusion superminddpm.py",
        "schedule",
        (
            "torch.linspace(beta_1, beta_T, T, dtype=torch.float64)",
            "torch.linspace(beta_1, beta_T, T + 1, dtype=torch.float64)[1:]",
        ),
    ),
    bug(
        "no word about x_T that still shows the image",
        "zoubohao #14, diffusers #12341",
        "schedule",
        ("if alpha_bar_T > 1e-3:", "if alpha_bar_T > 1:"),
    ),
    bug(
        "beta_T = 1 and beyond is accepted",
        "guided-diffusion get_named_beta_schedule",
        "schedule",
        (" & (betas[1:] < 1))", ")"),
    ),
    bug(
        "alpha_bar_T = 0 with a noise prediction",
        "diffusers #3851",
        "schedule",
        ("if alpha_bar_T == 0:", "if alpha_bar_T < 0:"),
    ),
    bug(
        "cosine clipped at 0.9999",
        "lucidrains 6d15667",
        "schedule",
        ("beta_max: float = 0.999)", "beta_max: float = 0.9999)"),
    ),
    bug(
        "t = 0 reads the last row",
        "diffusers #10003, T2I-Adapter #126",
        "schedule",
        ('check_index("t", t, 1, self.T)\n        rows', "t\n        rows"),
    ),
    # forward
    bug(
        "sqrt(1 - alpha_bar) made of another quantity",
        "labml #152",
        "forward",
        (
            "c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps",
            "c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar**0.5) * eps",
        ),
    ),
    bug(
        "wrong variance of q(x_T | x_0), which only L_T uses",
        "tqch #9",
        "forward",
        ("var=1 - c.alpha_bar)", "var=(1 - c.alpha_bar) ** 0.5)"),
        tests="loss",
    ),
    bug(
        "standard deviation where a variance stands",
        "the commonest slip of all",
        "gaussian",
        ("self.mean + self.var**0.5 * randn_like", "self.mean + self.var * randn_like"),
    ),
    bug(
        "noise from the global generator",
        "diffusers #1514",
        "door",
        ("device=device, generator=generator), x", "device=device), x"),
    ),
    # posterior
    bug(
        "beta-tilde without the division by 1 - alpha_bar_t",
        "varun-ml #1",
        "posterior",
        ("var = (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) *", "var = (1 - c.alpha_bar_prev) *"),
    ),
    bug(
        "alpha_bar where alpha stands in the posterior's mean",
        "the commonest slip of all",
        "posterior",
        ("weight_xt = c.alpha**0.5", "weight_xt = c.alpha_bar**0.5"),
    ),
    bug(
        "eps weighted with beta / (1 - alpha_bar)",
        "variance for standard deviation in Eq. (11)",
        "posterior",
        ("c.beta / (1 - c.alpha_bar) ** 0.5 * eps", "c.beta / (1 - c.alpha_bar) * eps"),
    ),
    bug(
        "x0_hat is not clipped",
        "dome272 #20",
        "posterior",
        ("return x0_hat.clamp(-clip_x0, clip_x0)", "return x0_hat"),
    ),
    bug(
        "x_{t-1} is clipped instead of x0_hat",
        "dome272 #23, lucidrains #47",
        "posterior",
        ("else tilde.mean\n", "else p_mean_from_eps(x_t, c, eps).clamp(-clip_x0, clip_x0)\n"),
    ),
    bug(
        "beta and beta-tilde exchanged",
        "both are in the paper, but one was asked for",
        "posterior",
        ('if variance == "beta" else', 'if variance != "beta" else'),
        tests="sampler",
    ),
    # the ideal network
    bug(
        "score for noise: the factor -sqrt(1 - alpha_bar) squared",
        "variance for standard deviation between eps and score",
        "exact",
        ("-((1 - alpha_bar) ** 0.5) *", "-(1 - alpha_bar) *"),
    ),
    # the loss
    bug(
        "training never meets t = T",
        "minDiffusion ddpm.py, imagen-pytorch #265",
        "loss",
        ("torch.randint(1, schedule.T + 1,", "torch.randint(1, schedule.T,"),
    ),
    bug(
        "training counts from 0 and sampling from 1",
        "udlbook notebook 18_3",
        "loss",
        ("eps_model(x_t, send(t, x_0.device))", "eps_model(x_t, send(t, x_0.device) - 1)"),
    ),
    bug(
        "one t for the whole batch",
        "a broadcast that goes unseen",
        "loss",
        (
            "(len(x_0),), generator=generator, device=device)",
            "(1,), generator=generator).expand(len(x_0))",
        ),
    ),
    bug(
        "the sum where the text has a mean",
        "lucidrains 01c6bed",
        "loss",
        ("torch.float32)), eps\n", 'torch.float32)), eps, reduction="sum"\n'),
    ),
    bug(
        "the loss in half precision",
        "diffusers #3713",
        "loss",
        ("predicted.to(torch.promote_types(x_0.dtype, torch.float32)), eps", "predicted, eps"),
        ("check_answer(predicted, x_t)", "eps = eps.to(predicted)"),
    ),
    bug(
        "nats reported as bits",
        "could not reproduce the bits/dim: improved-diffusion #33",
        "loss",
        (".mean(dim=1) / math.log(2)", ".mean(dim=1)"),
    ),
    bug(
        "the sum over pixels reported per dimension",
        "could not reproduce the bits/dim: pesser #5",
        "loss",
        ("nats.flatten(1).mean(dim=1)", "nats.flatten(1).sum(dim=1)"),
    ),
    bug(
        "L_T forgotten",
        "could not reproduce the bits/dim: lucidrains #72",
        "loss",
        ("return self.prior + self.denoising.sum(dim=0)", "return self.denoising.sum(dim=0)"),
    ),
    bug(
        "KL the wrong way round",
        "forward and reverse exchanged",
        "loss",
        ("q_posterior(clean, _exact(x_t), c).kl(p)", "p.kl(q_posterior(clean, _exact(x_t), c))"),
    ),
    bug(
        "sigma of 1e-10 in the decoder, because beta-tilde_1 is 0",
        "hojonathanho diffusion_utils.py, guided-diffusion #69",
        "loss",
        ("Gaussian(p.mean, variance_at_1(schedule))", "Gaussian(p.mean, 1e-20)"),
    ),
    bug(
        "half a bin of 1/256",
        "hojonathanho: bins are 2/255 wide on [-1, 1]",
        "loss",
        ("(x_0 - p.mean + 1 / 255) / std", "(x_0 - p.mean + 1 / 256) / std"),
    ),
    bug(
        "the outer bins are closed",
        "hojonathanho: black and white reach to infinity",
        "loss",
        ("torch.where(x_0 < -0.999, -math.inf,", "torch.where(x_0 < -9, -math.inf,"),
    ),
    bug(
        "images of 0 ... 255 in the bound",
        "lucidrains #20",
        "loss",
        ("if x.abs().max() > 1:", "if x.abs().max() > 1e9:"),
    ),
    # calling the network
    bug(
        "sampling counts from 0 and training from 1",
        "udlbook notebook 18_3",
        "door",
        ("torch.full((len(x_t),), t, device", "torch.full((len(x_t),), t - 1, device"),
        tests="sampler",
    ),
    bug(
        "sampling passes the float t / T",
        "minDiffusion",
        "door",
        ("torch.full((len(x_t),), t, device", "torch.full((len(x_t),), t / 1000, device"),
    ),
    bug(
        "dropout is active while sampling",
        "ethos-ares #20, SDGym #22",
        "door",
        ("        module.training = False\n", "        pass\n"),
    ),
    bug(
        "the network is left in eval mode",
        "lucidrains 3bee377",
        "door",
        ("            module.training = True\n", "            pass\n"),
    ),
    bug(
        "inference mode: the samples cannot be trained on",
        "lucidrains 32310c3",
        "door",
        ("@torch.no_grad()", "@torch.inference_mode()"),
    ),
    bug(
        "(B,) coefficients run along the width",
        "a broadcast that goes unseen",
        "door",
        ("len(part) in (0, len(whole)) and all(", "all("),
    ),
    # ddpm
    bug(
        "noise is added at the last step",
        "labml",
        "samplers/ancestral",
        ("p.sample(generator) if t > 1 else p.mean", "p.sample(generator)"),
        tests="sampler",
    ),
    bug(
        "the last step is never taken",
        "dome272 ddpm.py: range(1, noise_steps)",
        "samplers/ancestral",
        ("range(schedule.T, 0, -1)", "range(schedule.T, 1, -1)"),
        tests="sampler",
    ),
    bug(
        "two steps in each round",
        "fastai/diffusion-nbs #49",
        "samplers/ancestral",
        (
            "        eps = predict_noise(eps_model, x, t)\n",
            "        eps = [predict_noise(eps_model, x, t) for _ in range(2)][0]\n",
        ),
        tests="sampler",
    ),
    bug(
        "the trajectory has the first state twice and loses the last",
        "lucidrains f4b6a08",
        "samplers/ancestral",
        ("        x = p.sample", "        before, x = x, p.sample"),
        ("else p.mean\n    yield Step(0, x, x)", "else p.mean\n    yield Step(0, before, before)"),
        tests="sampler",
    ),
    # ddim
    bug(
        "the old eps is kept after clipping",
        "lucidrains 6dda508, 2205bab",
        "samplers/implicit",
        (
            "x0_hat = estimate_x0(x, c, predict_noise(eps_model, x, t), clip_x0=clip_x0)",
            "x0_hat = estimate_x0(x, c, old := predict_noise(eps_model, x, t), clip_x0=clip_x0)",
        ),
        ("eps = predict_eps(x, c, x0_hat)", "eps = old"),
        tests="sampler",
    ),
    bug(
        "few steps, but each of the size of one",
        "diffusers #2076",
        "samplers/implicit",
        ("schedule.between(s, t)", "schedule.at(t)"),
        tests="sampler",
    ),
    bug(
        "prev = t - T // S beside a grid of another spacing",
        "diffusers #9261, #11347",
        "samplers/implicit",
        ("schedule.between(s, t)", "schedule.between(max(t - schedule.T // len(grid), 0), t)"),
        tests="sampler",
    ),
    bug(
        "sigma without room made for it in the direction",
        "CoursIA #16158",
        "samplers/implicit",
        ("(1 - c.alpha_bar_prev - var) ** 0.5", "(1 - c.alpha_bar_prev) ** 0.5"),
        tests="sampler",
    ),
    bug(
        "the last step of DDIM keeps alpha_bar_1",
        "diffusers #6068: set_alpha_to_one=False",
        "samplers/implicit",
        (
            "mean = c.alpha_bar_prev**0.5",
            "mean = min(c.alpha_bar_prev, schedule.alpha_bars[1]) ** 0.5",
        ),
        tests="sampler",
    ),
    bug(
        "noise is added at the last step of DDIM",
        "lucidrains 1345a8a",
        "samplers/implicit",
        ("Gaussian(mean, var).sample", "Gaussian(mean, var + 0.01 * (s == 0)).sample"),
        (" if var > 0 else mean\n", "\n"),
        tests="sampler",
    ),
    bug(
        "the grid has another number of steps than was asked for",
        "range(0, T, T // S)",
        "samplers/chain",
        (
            "    if steps == 1:\n",
            "    return list(range(T, 0, -(T // steps)))\n    if steps == 1:\n",
        ),
        tests="sampler",
    ),
    bug(
        "the grid misses t = T",
        "diffusers #2585",
        "samplers/chain",
        (
            "    return [T - (i *",
            "    return [T // steps * (steps - i - 1) + 1 for i in range(steps)]\n    [T - (i *",
        ),
        tests="sampler",
    ),
    # the solvers of second order, and the way back
    bug(
        "Heun's second look at the old t, in a sampler",
        "a slip that leaves a first-order method",
        "samplers/ode",
        ("look(eps_model, there, s, c", "look(eps_model, there, t, c"),
        tests="samplers_ode",
    ),
    bug(
        "the ratio of two jumps upside down",
        "r0 = h / h_0 for h_0 / h, unseen where all jumps are equal",
        "samplers/ode",
        ("h / (2 * h_before)", "h_before / (2 * h)"),
        tests="samplers_ode",
    ),
    bug(
        "the first jump remembers a value that it never had",
        "a zero in place of the missing one",
        "samplers/ode",
        ("before = x_T, None", "before = x_T, (0 * x_T, 1.0)"),
        tests="samplers_ode",
    ),
    bug(
        "the way there asks at the far end's t",
        "diffusers #5832, upside down",
        "samplers/implicit",
        ("predict_noise(eps_model, x, max(t, 1))", "predict_noise(eps_model, x, s or t)"),
        tests="samplers_ode",
    ),
    # score, flow, likelihood
    bug(
        "the sign of the score",
        "the commonest slip of all",
        "score",
        ("return -eps / (1", "return eps / (1"),
    ),
    bug(
        "the score divided by the variance",
        "the root forgotten",
        "score",
        ("-eps / (1 - c.alpha_bar) ** 0.5", "-eps / (1 - c.alpha_bar)"),
    ),
    bug(
        "Langevin noise of the step's size, not of its root",
        "the commonest slip of all",
        "score",
        ("step_size**0.5 * randn_like", "step_size * randn_like"),
    ),
    bug(
        "Langevin with the whole step along the score",
        "two conventions mixed",
        "score",
        ("step_size / 2 * slope", "step_size * slope"),
    ),
    bug(
        "inversion asks at the end of a step",
        "stablediffusion #226, diffusers #5832",
        "flow",
        ("eps = predict_noise(eps_model, x, t)", "eps = predict_noise(eps_model, x, max(s, 1))"),
    ),
    bug(
        "Heun's second look at the old t",
        "a slip that leaves a first-order method",
        "flow",
        ("predict_noise(eps_model, x_s, s)", "predict_noise(eps_model, x_s, t)"),
    ),
    bug(
        "the density changes with the wrong sign",
        "the commonest slip of all",
        "likelihood",
        (".sum(dim=1) - change)", ".sum(dim=1) + change)"),
    ),
    bug(
        "probes that are not signs",
        "uniform numbers have another variance",
        "likelihood",
        ("torch.where(randn_like(eps, generator) < 0, -1.0, 1.0)", "randn_like(eps, generator)"),
    ),
    bug(
        "bits of x_1 without the noise's own entropy",
        "dequantisation forgotten",
        "likelihood",
        ("latent = q.log_prob(_exact(x_1)).reshape(len(x_0), -1).sum(dim=1) -", "latent = -"),
    ),
    # inverse problems
    bug(
        "a blur is taken for its own adjoint",
        "true but for the border",
        "inverse/operators",
        (
            "return weights(y.shape[-2], y).T @ y @ weights(y.shape[-1], y)",
            "return forward(y)",
        ),
        tests="inverse_operators",
    ),
    bug(
        "the adjoint of block means repeats the pixel and no more",
        "nearest-neighbour enlargement in its place",
        "inverse/operators",
        ("repeat_interleave(f, dim=-2) / f**2", "repeat_interleave(f, dim=-2)"),
        tests="inverse_operators",
    ),
    bug(
        "the slope of the likelihood stops before the network",
        "a forgotten detach",
        "inverse/bayes",
        (
            "return torch.autograd.grad(x0_hat, x, operator.adjoint(share))[0]",
            "return (operator.adjoint(share) / c.alpha_bar**0.5).to(x.dtype)",
        ),
        tests="inverse",
    ),
    bug(
        "data of unit variance, whatever the spread",
        "the default of pseudoinverse guidance",
        "inverse/bayes",
        ("return spread**2 * noise / (c.alpha_bar * spread**2 + noise)", "return noise"),
        tests="inverse",
    ),
    bug(
        "the way up adds the noise of the step below",
        "Lugmayr et al. 2022, Algorithm 1: beta_{t-1}",
        "inverse/chains",
        ("q_step(x_s, c)", "q_step(x_s, schedule.at(s))"),
        tests="inverse",
    ),
    bug(
        "what is known is painted over as bright as in x_0",
        "the root of alpha_bar forgotten",
        "inverse/chains",
        ("measurement.residual(x, alpha_bar**0.5)", "measurement.residual(x)"),
        tests="inverse",
    ),
    bug(
        "the noise that y has itself is added once more",
        "a noisy measurement treated as a clean one",
        "inverse/chains",
        ("(1 - alpha_bar) - alpha_bar * noise_var", "(1 - alpha_bar) - 0 * noise_var"),
        tests="inverse",
    ),
]


class Outcome(NamedTuple):
    caught_by: str  # the first test that failed, or "" where none did
    trouble: str  # why the run says nothing: a patch that does not fit, tests that did not load


def plant(planted: Bug, root: Path) -> None:
    """A copy of the core with one bug. Raises ValueError where a patch does not fit."""
    folder = root / "ddpm_lessons"
    folder.mkdir()
    for path in PACKAGE.glob("*.py"):
        shutil.copy(path, folder)
    for name in ("samplers", "inverse"):
        shutil.copytree(PACKAGE / name, folder / name)
    source = (folder / planted.file).read_text(encoding="utf-8")
    for old, new in planted.edits:
        if source.count(old) != 1:
            raise ValueError(f"{planted.file} has {old!r} {source.count(old)} times, expected once")
        source = source.replace(old, new)
    compile(source, planted.file, "exec")
    (folder / planted.file).write_text(source, encoding="utf-8")


class Watcher:
    """A pytest plugin that remembers the first failure."""

    def __init__(self) -> None:
        self.failed = self.trouble = ""

    def pytest_runtest_logreport(self, report: object) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: object) -> None:
        if report.failed:
            self.trouble = f"{report.nodeid} did not load"


def run_tests(root: Path, arguments: list[str]) -> Watcher:
    """Run tests on the package in `root`, in this process, which must not have loaded another."""
    import hypothesis
    import pytest
    import torch

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer than most tests here
    sys.path.insert(0, str(root))
    torch.set_num_threads(1)
    generate = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # the first failure will do
    hypothesis.settings.register_profile("bugs", database=None, derandomize=True, phases=generate)
    hypothesis.settings.load_profile("bugs")
    watcher, output = Watcher(), io.StringIO()
    options = ["-x", "-q", "-p", "no:cacheprovider", "--noconftest", "-o", "addopts="]
    with redirect_stdout(output), redirect_stderr(output):
        code = pytest.main([*options, *arguments], plugins=[watcher])
    import ddpm_lessons

    if not Path(ddpm_lessons.__file__).is_relative_to(root):
        watcher.trouble = f"{ddpm_lessons.__file__} was tested"
    elif code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        watcher.trouble = watcher.trouble or output.getvalue()[-500:]
    return watcher


def try_bug(planted: Bug) -> Outcome:
    """Plant one bug and see which test fails first."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        try:
            plant(planted, root)
        except (ValueError, SyntaxError) as error:
            return Outcome("", str(error))
        files = [str(TESTS / f"test_{name}.py") for name in planted.tests.split()]
        watcher = run_tests(root, files)
    return Outcome(watcher.failed.split("/")[-1], watcher.trouble)


def try_none(tests: list[str]) -> str:
    """Run the tests that caught bugs on an unchanged copy; the name of one that fails, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        plant(Bug("none", "", "door.py", (), ""), root)
        watcher = run_tests(root, [str(TESTS / test) for test in tests])
    return watcher.trouble or watcher.failed


def preload() -> None:
    """Import what the tests need, once: the processes that are forked from here have it."""
    for name in (
        "diffusers.schedulers.scheduling_ddim",
        "diffusers.schedulers.scheduling_ddpm",
        "hypothesis.strategies",
        "mpmath",
        "pytest",
        "scipy.optimize",
        "scipy.stats",
        "torch.distributions",
    ):
        importlib.import_module(name)


def main(words: list[str]) -> int:
    """Try every bug whose name holds all words; print the table; return the number that got by."""
    os.chdir(TESTS.parent)
    bugs = [planted for planted in BUGS if all(word in planted.name for word in words)]
    method = "fork" if sys.platform == "linux" else "spawn"
    if method == "fork":
        preload()
    context = multiprocessing.get_context(method)
    missed, caught_by = 0, set()
    with context.Pool(min(4, os.cpu_count() or 1), maxtasksperchild=1) as pool:
        for planted, outcome in zip(bugs, pool.imap(try_bug, bugs, chunksize=1), strict=True):
            good = outcome.caught_by and not outcome.trouble
            missed += not good
            if good:
                caught_by.add(outcome.caught_by)
            verdict = outcome.trouble or outcome.caught_by or "SURVIVED"
            print(f"{planted.name} · {planted.story} · {verdict}", flush=True)
        control = pool.apply(try_none, (sorted(caught_by),)) if caught_by else ""
    if control:
        print(f"{control} fails without any bug")
    print(f"{len(bugs) - missed} of {len(bugs)} bugs caught")
    return missed + bool(control)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
