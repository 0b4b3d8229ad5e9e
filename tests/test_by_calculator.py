"""Lesson 14's arithmetic: each line is typed into a calculator of our own, and the chain worked out
once more from the definitions, by other formulas than those on the page and without the library.
"""

import ast
import importlib.util
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("build", REPOSITORY / "notebooks" / "build.py")
BUILD = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(BUILD)
TEXT = next(text for text in BUILD.lessons() if text.stem == "14_by_calculator")
CELLS = BUILD.assemble(TEXT).cells

LINE = re.compile(r"(?P<name>\w+) = (?P<typed>.+) (?P<sign>[=≈]) (?P<result>−?\d+(\.\d+)?)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
# What a pocket calculator has.
KEYS = {
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "exp": math.exp,
    "ln": math.log,
    "Φ": NormalDist().cdf,
}


class Line(NamedTuple):
    """A line for the calculator: what is typed, and what is said to come out."""

    heading: str
    name: str
    typed: str
    sign: str
    result: str

    @property
    def places(self) -> int:
        return len(self.result.partition(".")[2])

    @property
    def value(self) -> float:
        return float(self.result.replace("−", "-"))

    def fits(self, value: float) -> bool:
        """Whether the result is `value` as far as it is written, and not on the edge of a digit."""
        return abs(value - self.value) < 0.5 * 10**-self.places - 1e-9


def typed_in(expression: str) -> float:
    """What a calculator shows. Raises NameError for a key that it has not."""
    python = expression.replace("×", "*").replace("−", "-").replace("²", "**2")
    python = re.sub(r"√(\d[\d.]*)", r"sqrt(\1)", python)
    return eval(python, {"__builtins__": {}}, KEYS)


def walk() -> Iterator[tuple[str, str, str]]:
    """The notebook's lines in order: (heading above, kind of place, line), kind "box", "words"
    or "code".
    """
    heading, box = "", False
    for cell in CELLS:
        for line in cell.source.splitlines():
            if cell.cell_type == "code":
                yield heading, "code", line
            elif line.startswith("```"):
                box = not box
            elif not box and (match := HEADING.fullmatch(line)):
                heading = match[1]
            elif line.strip():
                yield heading, "box" if box else "words", line
        assert not box, "a box of typewriter lines is not closed"


def lines() -> list[Line]:
    found = []
    for heading, kind, line in walk():
        if kind == "box":
            match = LINE.fullmatch(line)
            assert match, f"no line for a calculator: {line}"
            found.append(Line(heading, *match.group("name", "typed", "sign", "result")))
    return found


LINES = lines()
HEADINGS = list(dict.fromkeys(line.heading for line in LINES))
each_part = pytest.mark.parametrize("heading", HEADINGS)

# What the page is given. Everything else follows.
BETA = [0.0, 0.0784, 0.36, 0.64, 0.9964]
EPS = [0.0, -1.0, 0.1, -0.9, 0.6]
Z = [0.0, 0.0, 0.4, -1.3, 0.5]
START = 1.5
STEPS = (1, 2, 3, 4)

ALPHA_BAR = [math.prod(1 - beta for beta in BETA[: t + 1]) for t in range(5)]
X = [1.0]  # the walk forwards, of a pixel of ink
for t in STEPS:
    X.append(math.sqrt(1 - BETA[t]) * X[t - 1] + math.sqrt(BETA[t]) * EPS[t])
# The noise of all steps: step s is shrunk by the steps after it.
STATIC = [
    sum(
        math.sqrt(BETA[s] * math.prod(1 - beta for beta in BETA[s + 1 : t + 1])) * EPS[s]
        for s in range(1, t + 1)
    )
    for t in range(5)
]
EPS_BAR = [STATIC[t] / math.sqrt(1 - ALPHA_BAR[t]) if t else 0.0 for t in range(5)]


def posterior(t: int, x_0: float, x_t: float) -> tuple[float, float]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), by the precisions of the two witnesses."""
    if t == 1:
        return x_0, 0.0
    clean, noisy = 1 / (1 - ALPHA_BAR[t - 1]), (1 - BETA[t]) / BETA[t]
    told = clean * math.sqrt(ALPHA_BAR[t - 1]) * x_0 + noisy * x_t / math.sqrt(1 - BETA[t])
    return told / (clean + noisy), 1 / (clean + noisy)


def answer(t: int, x_t: float) -> dict[str, float]:
    """The best answer at x_t, by the densities of the two bells: half their log-odds, the average
    of x_0, and the noise that belongs to it."""
    signal, noise = math.sqrt(ALPHA_BAR[t]), math.sqrt(1 - ALPHA_BAR[t])
    ink, paper = (NormalDist(x_0 * signal, noise).pdf(x_t) for x_0 in (1, -1))
    x0_hat = (ink - paper) / (ink + paper)
    named = {"u": math.log(ink / paper) / 2, "x0_hat": x0_hat}
    return named | {"eps_hat": (x_t - signal * x0_hat) / noise}


def numbered(t: int, named: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{t}": value for name, value in named.items()}


def backwards(*, tilde: bool) -> dict[str, float]:
    """Algorithm 2, its means by Bayes' rule with x0_hat for x_0: no division by 0.06 anywhere."""
    found, x_t = {}, START
    for t in reversed(STEPS):
        said = answer(t, x_t)
        mean, var = posterior(t, said["x0_hat"], x_t)
        kick = math.sqrt(var if tilde else BETA[t]) * Z[t]
        if t > 1:
            said |= {"mean": mean, "sigma_z": kick}
        x_t = mean + kick
        found |= numbered(t, said) | {f"x_{t - 1}": x_t}
    return found


def integral(f, low: float, high: float, n: int = 2_000) -> float:
    """The trapezoidal rule, which for a bell that fades out is exact to all digits."""
    h = (high - low) / n
    return h * (sum(f(low + i * h) for i in range(n + 1)) - (f(low) + f(high)) / 2)


def kl(q: tuple[float, float], p: tuple[float, float]) -> float:
    """KL of two bells (mean, variance), by integration."""

    def log_density(x, mean, var):
        return -0.5 * ((x - mean) ** 2 / var + math.log(2 * math.pi * var))

    def integrand(x):
        return math.exp(log_density(x, *q)) * (log_density(x, *q) - log_density(x, *p))

    width = 10 * math.sqrt(q[1])
    return integral(integrand, q[0] - width, q[0] + width)


def schedule_numbers() -> dict[str, float]:
    found = {}
    for t in STEPS:
        signal2, noise2 = ALPHA_BAR[t], 1 - ALPHA_BAR[t]
        tilde = posterior(t, 1.0, 1.0)[1]
        named = {"alpha": 1 - BETA[t], "sqrt_alpha": math.sqrt(1 - BETA[t])}
        named |= {"sqrt_beta": math.sqrt(BETA[t]), "alpha_bar": signal2, "noise_var": noise2}
        named |= {"signal": math.sqrt(signal2), "noise": math.sqrt(noise2)}
        named |= {"snr": signal2 / noise2, "beta_tilde": tilde}
        named |= {"sqrt_beta_tilde": math.sqrt(tilde)} if t > 1 else {}
        found |= numbered(t, named | {"share": BETA[t] / math.sqrt(noise2)})
    return found


def forward_numbers() -> tuple[dict[str, float], dict[str, float]]:
    walked = {f"x_{t}": X[t] for t in STEPS}
    jumped = {f"static_{t}": STATIC[t] for t in STEPS}
    for t in (2, 3, 4):
        jumped |= numbered(t, {"variance": 1 - ALPHA_BAR[t], "eps_bar": EPS_BAR[t], "x": X[t]})
    return walked, jumped


def weights(*steps: int) -> dict[str, float]:
    """The mean is linear, so a weight is what 1 in one place and 0 in the other gives."""
    named = {f"weight_x0_{t}": posterior(t, 1.0, 0.0)[0] for t in steps}
    return named | {f"weight_xt_{t}": posterior(t, 0.0, 1.0)[0] for t in steps}


def bayes_numbers() -> dict[str, float]:
    """By moments of the product of the two densities, integrated."""
    clean, noisy = (0.96, 0.0784), (X[2] / 0.8, 0.36 / 0.64)

    def product(x):
        return math.exp(sum(-0.5 * (x - mean) ** 2 / var for mean, var in (clean, noisy)))

    mass = integral(product, -3.0, 5.0)
    mean = integral(lambda x: x * product(x), -3.0, 5.0) / mass
    var = integral(lambda x: (x - mean) ** 2 * product(x), -3.0, 5.0) / mass
    named = {"precision_clean": 1 / clean[1], "precision_noisy": 1 / noisy[1]}
    named |= {"place_noisy": noisy[0], "precision": 1 / var}
    return named | {"variance": var, "mean": mean}


def training_numbers() -> dict[str, float]:
    """The gradient by a difference, which for a parabola is exact."""

    def loss(w):
        return (EPS_BAR[3] - w * X[3]) ** 2

    gradient = (loss(0.5 + 1e-3) - loss(0.5 - 1e-3)) / 2e-3
    w = 0.5 - 0.1 * gradient
    before = {"guess": 0.5 * X[3], "miss": EPS_BAR[3] - 0.5 * X[3], "loss": loss(0.5)}
    after = {"new_guess": w * X[3], "new_miss": EPS_BAR[3] - w * X[3], "new_loss": loss(w)}
    return before | {"gradient": gradient, "w": w} | after


def network_numbers() -> dict[str, float]:
    said = answer(2, X[2])
    p_ink = (1 + said["x0_hat"]) / 2
    return said | {"odds": p_ink / (1 - p_ink), "p_ink": p_ink, "average": said["x0_hat"]}


def ddim_numbers() -> dict[str, float]:
    said = answer(4, START)
    x_1 = 0.96 * said["x0_hat"] + 0.28 * said["eps_hat"]
    last = answer(1, x_1)
    return {"x_1": x_1} | numbered(1, last) | {"x_0": last["x0_hat"]}


def rounding_numbers() -> dict[str, float]:
    """How the mean of Eq. (11) answers to its noise: it is linear in it."""

    def mean(eps_hat):
        noise = math.sqrt(1 - ALPHA_BAR[4])
        return (START - BETA[4] / noise * eps_hat) / math.sqrt(1 - BETA[4])

    return {"slip": mean(1.4) - mean(1.4001), "mean_4": backwards(tilde=False)["mean_4"]}


def term_numbers() -> dict[str, float]:
    """Each KL by integration, and the factor of Eq. (12) as what makes it one of squared noise."""
    found = {"weight_x0_3": posterior(3, 1.0, 0.0)[0]}
    for t in (4, 3, 2):
        said = answer(t, X[t])
        q, p = posterior(t, 1.0, X[t]), posterior(t, said["x0_hat"], X[t])
        nats = kl(q, p)
        factor = nats / (EPS_BAR[t] - said["eps_hat"]) ** 2
        named = said | {"apart": q[0] - p[0], "factor": factor}
        found |= numbered(t, named) | {f"L_{t - 1}": nats, f"L_{t - 1}_by_eps": nats}
    return {
        name: value for name, value in found.items() if name not in ("u_2", "x0_hat_2", "eps_hat_2")
    }


def end_numbers() -> dict[str, float]:
    said, width = answer(1, X[1]), math.sqrt(posterior(2, 1.0, 1.0)[1])
    edge = (1 - 1 / 255 - said["x0_hat"]) / width
    p_bin = NormalDist(said["x0_hat"], width).cdf(3) - NormalDist(said["x0_hat"], width).cdf(
        254 / 255
    )
    named = {"u_1": said["u"], "x0_hat_1": said["x0_hat"]}
    return named | {"edge": edge, "p_bin": p_bin, "L_0": -math.log(p_bin)}


def sum_numbers() -> dict[str, float]:
    L_T = kl((math.sqrt(ALPHA_BAR[4]), 1 - ALPHA_BAR[4]), (0.0, 1.0))
    terms = {f"L_{t}": term_numbers()[f"L_{t}"] for t in (3, 2, 1)}
    nats = {"L_T": L_T, **terms, "L_0": end_numbers()["L_0"]}
    nats |= {"total": sum(nats.values())}
    found = {f"bits_{name}": value / math.log(2) for name, value in nats.items()}
    said = answer(2, X[2])
    q, (mean, _) = posterior(2, 1.0, X[2]), posterior(2, said["x0_hat"], X[2])
    found |= {"ratio": q[1] / 0.36, "L_1_beta": kl(q, (mean, 0.36))}
    return found | {"total": nats["total"], "too_wide": kl(q, (q[0], 0.36)) / math.log(2)}


def definitions() -> dict[str, dict[str, float]]:
    """Every number of the page, unrounded: heading -> name -> value."""
    walked, jumped = forward_numbers()
    same = ("u_4", "x0_hat_4", "eps_hat_4", "mean_4")  # before beta and beta-tilde part
    tilde = {name: x for name, x in backwards(tilde=True).items() if name not in same}
    return {
        "The schedule": schedule_numbers(),
        "Step by step": walked,
        "In one jump": jumped,
        "The two weights": weights(1, 2, 4) | {"mean_2": posterior(2, 1.0, X[2])[0]},
        "The same by Bayes' rule": bayes_numbers(),
        "Training": training_numbers(),
        "The best possible network": network_numbers(),
        "Algorithm 2": backwards(tilde=False),
        "Where rounding hurts": rounding_numbers(),
        "The same with beta-tilde": tilde,
        "DDIM in two steps": ddim_numbers(),
        "The end of the chain": {
            "L_T": kl((math.sqrt(ALPHA_BAR[4]), 1 - ALPHA_BAR[4]), (0.0, 1.0))
        },
        "The steps": term_numbers(),
        "The last step": end_numbers(),
        "The sum": sum_numbers(),
    }


EXACT = definitions()


def test_the_page_writes_down_every_number_once_and_no_other():
    written = {}
    for line in LINES:
        assert line.name not in written.setdefault(line.heading, set()), line
        written[line.heading].add(line.name)
    assert written == {heading: set(numbers) for heading, numbers in EXACT.items()}


def part(heading: str) -> list[tuple[Line, float, float]]:
    """The lines under a heading, each with what is typed, worked out, and the unrounded truth."""
    found = [line for line in LINES if line.heading == heading]
    return [(line, typed_in(line.typed), EXACT[heading][line.name]) for line in found]


@each_part
def test_what_is_typed_gives_the_result_at_the_digits_shown(heading):
    """With the digits that stand on the page: for readers who go on with what they have written."""
    for line, typed, _ in part(heading):
        assert line.fits(typed), f"{line} gives {typed}"


@each_part
def test_the_result_is_that_of_the_unrounded_chain(heading):
    """For readers who go on with what the calculator holds."""
    for line, _, exact in part(heading):
        assert line.fits(exact), f"{line} is {exact}"


@each_part
def test_equals_is_said_of_exact_results_and_of_no_others(heading):
    for line, *truths in part(heading):
        exact = all(abs(value - line.value) < 1e-13 for value in truths)
        assert (line.sign == "=") == exact, line


@each_part
def test_a_wrong_last_digit_would_be_seen(heading):
    for line, typed, exact in part(heading):
        for off in (1, -1):
            wrong = f"{line.value + off * 10**-line.places:.{line.places}f}".replace("-", "−")
            assert not line._replace(result=wrong).fits(typed), line
            assert not line._replace(result=wrong).fits(exact), line


FEWER = {"u_1": 2, "odds": 2, "factor_4": 2, "average": 3, "edge": 3, "p_bin": 3}
SIX = re.compile(r"L_T|(u|x0_hat|eps_hat|x|static|eps_bar)_4|variance(_\d)?|weight_x[0t]_\d")


@each_part
def test_rounded_results_have_the_places_that_the_rules_promise(heading):
    for line, *_ in part(heading):
        of_schedule = heading == "The schedule" and not line.name.startswith("sqrt_beta_tilde")
        promised = 6 if of_schedule or SIX.fullmatch(line.name) else 4
        if re.fullmatch(r"L_\d\w*|bits_\w+|total|too_wide", line.name):
            promised = 3
        assert line.sign == "=" or line.places == FEWER.get(line.name, promised), line


def test_numbers_are_typed_only_after_they_have_been_written():
    known = {0.0, 1.0, 2.0}
    for _, kind, text in walk():
        if kind == "box":
            match = LINE.fullmatch(text)
            strangers = {float(n) for n in NUMBER.findall(re.sub(r"²", "", match["typed"]))} - known
            assert not strangers, f"{strangers} in: {text}"
        if kind != "code":
            known |= {float(n) for n in NUMBER.findall(text)}


def agreements() -> dict[str, dict[str, str]]:
    """What the code hands to `agree` as written by hand: heading -> name -> digits."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for cell in CELLS:
        if cell.cell_type == "markdown":
            heading = [heading, *HEADING.findall(cell.source)][-1]
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "agree":
                names, digits = (argument.value.split() for argument in node.args[:2])
                numbers = zip(names, digits, strict=True)
                assert not found.setdefault(heading, {}).keys() & set(names)
                found[heading] |= dict(numbers)
    return found


def test_the_library_is_held_against_every_number_in_all_its_digits():
    by_hand = agreements()
    assert {h: set(numbers) for h, numbers in by_hand.items()} == {
        h: set(numbers) for h, numbers in EXACT.items()
    }
    for line in LINES:
        digits = by_hand[line.heading][line.name]
        assert float(digits) == line.value, line
        places = len(digits.partition(".")[2])
        # An exact number is compared with at least four decimals: 0.43 is not 0.4.
        assert places == line.places if line.sign == "≈" else places >= max(4, line.places), line


def test_agree_stops_at_a_wrong_digit(capsys):
    scope: dict = {}
    source = next(cell.source for cell in CELLS if "def agree" in cell.source)
    exec(source[source.index("def agree") :], scope)
    scope["agree"]("a b", "0.25 -1.000", [0.2499, -0.9999])
    assert capsys.readouterr().out == "a 0.2499000   b -0.9999000\n"
    for names, digits, numbers in (
        ("a", "0.25", [0.256]), ("a", "0.2500", [0.2499]), ("a", "0.1", [-0.1])
    ):  # fmt: skip
        with pytest.raises(AssertionError, match="by hand"):
            scope["agree"](names, digits, numbers)
    with pytest.raises(ValueError, match="zip"):
        scope["agree"]("a b", "0.25", [0.25, 0.25])


def test_the_table_to_keep_repeats_the_boxes():
    table = [text.strip("| ").split(" | ") for _, _, text in walk() if text.startswith("| $")]
    rows = {row[0].split("`")[1]: row[1:] for row in table if "`" in row[0]}
    written = {line.name: line.value for line in LINES if line.heading == "The schedule"}
    assert [float(n) for n in rows.pop("beta")] == BETA[1:]
    assert len(rows) == 10
    for name, numbers in rows.items():
        assert [float(n) for n in numbers] == [written[f"{name}_{t}"] for t in STEPS], name


def printed(start: str) -> list[list[str]]:
    """The rows of a printed table of the stored notebook, whose head begins with `start`."""
    notebook = nbformat.read(BUILD.notebook_of(TEXT), as_version=nbformat.NO_CONVERT)
    texts = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if "text" in o]
    table = next(text for text in texts if text.strip().startswith(start))
    return [line.replace("|", " ").split() for line in table.splitlines()[1:]]


def test_the_whole_chain_on_one_page():
    out, back = printed("t     beta"), printed("t         u")
    assert [int(row[0]) for row in out] == [0, *STEPS]
    for t, row in zip(STEPS, out[1:], strict=True):
        signal, noise = math.sqrt(ALPHA_BAR[t]), math.sqrt(1 - ALPHA_BAR[t])
        exact = [BETA[t], ALPHA_BAR[t], signal, noise, EPS[t], X[t], EPS_BAR[t]]
        assert [float(n) for n in row[1:]] == pytest.approx(exact, abs=5.1e-5)
    exact = backwards(tilde=False), backwards(tilde=True)
    names = [("beta", exact[0])] * 4 + [("beta-tilde", exact[1])] * 4
    for (name, numbers), row, t in zip(names, back, [4, 3, 2, 1] * 2, strict=True):
        assert row[:2] == [name, str(t)]
        last = [numbers[f"mean_{t}"], numbers[f"sigma_z_{t}"]] if t > 1 else [numbers["x_0"], 0.0]
        wanted = [numbers[f"{of}_{t}"] for of in ("u", "x0_hat", "eps_hat")] + last
        wanted.append(numbers[f"x_{t - 1}"])
        assert [float(n) for n in row[2:]] == pytest.approx(wanted, abs=5.1e-5)


def test_what_the_page_says_of_its_numbers():
    """Sentences with a claim in them that no box holds."""
    terms, sums = term_numbers(), sum_numbers()
    assert X[3] < 0  # "looks more like paper"
    assert sums["bits_L_2"] / sums["bits_total"] == pytest.approx(0.46, abs=0.005)  # nearly half
    assert terms["factor_4"] / terms["factor_3"] == pytest.approx(81, abs=0.5)
    assert (posterior(2, 1.0, X[2])[0] - X[1]) / 0.2623 == pytest.approx(1, abs=0.05)  # one width
    assert (1 + answer(4, START)["x0_hat"]) / 2 == pytest.approx(0.52, abs=0.005)  # 52 in 100
    second = integral(lambda x: x**2 * NormalDist(0.4608, math.sqrt(1 - 0.4608**2)).pdf(x), -9, 9)
    assert second == pytest.approx(1)  # the mean of x_3 squared, of ink as of paper
    snr = [ALPHA_BAR[t] / (1 - ALPHA_BAR[t]) for t in STEPS]
    assert snr[1] > 1 > snr[2] > 0.001 > snr[3] > ALPHA_BAR[4]
    assert all(a > b for a, b in pairwise(snr))


def test_ddim_keeps_the_sign_of_its_start():
    for start in (-3.0, -0.4, -0.01, 0.01, 0.7, 2.5):
        said = answer(4, start)
        x_1 = 0.96 * said["x0_hat"] + 0.28 * said["eps_hat"]
        assert answer(1, x_1)["x0_hat"] * start > 0


def test_the_calculator_itself():
    assert typed_in("0.8 × 0.5 + 0.6 × 1.2") == pytest.approx(1.12)
    assert typed_in("−0.5² / (−2) − √0.25") == pytest.approx(0.125 - 0.5)
    assert typed_in("ln(exp(3)) − tanh(0) + Φ(0)") == pytest.approx(3.5)
    with pytest.raises(NameError):
        typed_in("sinh(1)")
