"""What the tests compare the library with. Nothing here imports it.

The formulas are derived again, on another way: the joint Gaussian of a whole chain and its
conditioning, quadrature, recursions for the moments, the article's own loop.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy.integrate import trapezoid
from torch import Tensor


def agree(actual: object, expected: object, *, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Compare entry by entry; the shapes must match, unless `expected` is one number for all."""
    a, b = (
        x.detach().cpu().double().numpy() if isinstance(x, Tensor) else np.asarray(x, dtype=float)
        for x in (actual, expected)
    )
    assert a.shape == b.shape or b.shape == (), f"shape {a.shape}, expected {b.shape}"
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random images, the same each time."""
    return torch.randn(*shape, dtype=dtype, generator=seeded(seed))


def awake(model: torch.nn.Module) -> torch.nn.Module:
    """Layers that start at zero hide what is before them: give them weights."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.1, generator=generator)
    return model.eval().requires_grad_(False)


# --- the chain as one big Gaussian -------------------------------------------------------------


def linear_betas(T: int, beta_1: float, beta_T: float) -> np.ndarray:
    """[0, beta_1, ..., beta_T]."""
    steps = [beta_1 + (beta_T - beta_1) * i / max(T - 1, 1) for i in range(T)]
    return np.array([0.0, *steps])


def alpha_bars_of(betas: np.ndarray) -> np.ndarray:
    """The running product of 1 - betas, one factor after another."""
    product, products = 1.0, []
    for beta in betas:
        product *= 1 - beta
        products.append(product)
    return np.array(products)


def chain_covariance(betas: np.ndarray, var_0: float) -> np.ndarray:
    """The covariance of (x_0, ..., x_T), (T+1, T+1), by composing single steps.

    x = L (x_0, z_1, ..., z_T), where row t of L is sqrt(1 - beta_t) times row t - 1, plus
    sqrt(beta_t) at z_t. No alpha_bar is used.
    """
    n = len(betas)
    L = np.zeros((n, n))
    L[0, 0] = 1
    for t in range(1, n):
        L[t] = math.sqrt(1 - betas[t]) * L[t - 1]
        L[t, t] = math.sqrt(betas[t])
    return L @ np.diag([var_0, *[1.0] * (n - 1)]) @ L.T


def chain_mean(betas: np.ndarray, mean_0: float) -> np.ndarray:
    """The mean of (x_0, ..., x_T)."""
    means = [mean_0]
    for beta in betas[1:]:
        means.append(math.sqrt(1 - beta) * means[-1])
    return np.array(means)


def condition(cov: np.ndarray, wanted: int, given: list[int]) -> tuple[np.ndarray, float]:
    """Entry `wanted` of a centred Gaussian, given others: the weights of those and the variance.

    The Schur complement: cov_wg cov_gg^-1 and cov_ww - cov_wg cov_gg^-1 cov_gw.
    """
    weights = np.linalg.solve(cov[np.ix_(given, given)], cov[given, wanted])
    return weights, cov[wanted, wanted] - weights @ cov[given, wanted]


# --- the ideal network and the samplers, for data N(mean, var) ---------------------------------


def gaussian_x0(x_t: float, alpha_bar: float, mean: float, var: float) -> float:
    """E[x_0 | x_t] for data N(mean, var): regression of x_0 on x_t."""
    gain = math.sqrt(alpha_bar) * var / (alpha_bar * var + 1 - alpha_bar)
    return mean + gain * (x_t - math.sqrt(alpha_bar) * mean)


def ddpm_chain(
    betas: np.ndarray, data: tuple[float, float], variance: str
) -> list[tuple[float, float, float]]:
    """For t = T ... 1: (a, b, s) of x_{t-1} = a x_t + b + s z, with the ideal network.

    The weights of x_0 and x_t are those of conditioning the joint Gaussian of the chain.
    """
    mean, var = data
    alpha_bars, cov = alpha_bars_of(betas), chain_covariance(betas, 1.0)
    steps = []
    for t in range(len(betas) - 1, 0, -1):
        (w_0, w_t), tilde = condition(cov, t - 1, [0, t]) if t > 1 else ((1.0, 0.0), 0.0)
        at_0 = gaussian_x0(0.0, alpha_bars[t], mean, var)
        slope = gaussian_x0(1.0, alpha_bars[t], mean, var) - at_0
        s = math.sqrt(betas[t] if variance == "beta" else tilde) if t > 1 else 0.0
        steps.append((w_0 * slope + w_t, w_0 * at_0, s))
    return steps


def ddim_chain(
    betas: np.ndarray, data: tuple[float, float], grid: list[int], eta: float
) -> list[tuple[float, float, float]]:
    """For each t of the falling grid: (a, b, s) of x_s = a x_t + b + s z, by DDIM's Eq. 12, 16."""
    mean, var = data
    ab = alpha_bars_of(betas)
    steps = []
    for t, s in zip(grid, [*grid[1:], 0], strict=True):
        sigma = eta * math.sqrt((1 - ab[s]) / (1 - ab[t])) * math.sqrt(1 - ab[t] / ab[s])
        direction = math.sqrt(max(1 - ab[s] - sigma**2, 0.0))

        def jump(x: float, t: int = t, s: int = s, direction: float = direction) -> float:
            x_0 = gaussian_x0(x, ab[t], mean, var)
            eps = (x - math.sqrt(ab[t]) * x_0) / math.sqrt(1 - ab[t])
            return math.sqrt(ab[s]) * x_0 + direction * eps

        steps.append((jump(1.0) - jump(0.0), jump(0.0), sigma))
    return steps


def compose(steps: list[tuple[float, float, float]]) -> tuple[float, float, list[float]]:
    """x_0 = a x_T + b + sum_i s_i z_i of a whole chain: a, b and the s_i, in order of drawing."""
    a, b, noise = 1.0, 0.0, []
    for slope, offset, s in steps:
        a, b, noise = slope * a, slope * b + offset, [slope * n for n in noise] + [s]
    return a, b, noise


# --- noise on order ----------------------------------------------------------------------------


class ScriptedNoise:
    """Stands in for torch.randn and gives out prepared noise, one entry a call.

    Put it there with monkeypatch.setattr(torch, "randn", ...). It says how many draws there were,
    and fails when more are asked for than were prepared.
    """

    def __init__(self, noise: Iterable[Tensor]) -> None:
        self.noise = list(noise)
        self.draws = 0

    def __call__(self, *size: object, dtype: torch.dtype, **_: object) -> Tensor:
        shape = size[0] if len(size) == 1 else size
        assert self.draws < len(self.noise), f"draw {self.draws + 1}: more noise than expected"
        self.draws += 1
        return self.noise[self.draws - 1].to(dtype).expand(shape).clone()


def basis(draws: int) -> tuple[Tensor, list[Tensor]]:
    """A batch that reads off an affine sampler: x_T (draws + 2, 1) and its noise.

    Row 0 is all zeros (the offset), row 1 has x_T = 1 (its factor), row 2 + i gets noise 1 in draw
    i.
    """
    x_T = torch.zeros(draws + 2, 1, dtype=torch.float64)
    x_T[1] = 1
    noise = torch.zeros(draws, draws + 2, 1, dtype=torch.float64)
    for i in range(draws):
        noise[i, 2 + i] = 1
    return x_T, list(noise)


def read_affine(last: Tensor) -> tuple[float, float, list[float]]:
    """a, b and the s_i of x_0 = a x_T + b + sum_i s_i z_i, from the answer to `basis`."""
    values = last.flatten().tolist()
    b = values[0]
    return values[1] - b, b, [value - b for value in values[2:]]


# --- integrals ---------------------------------------------------------------------------------


def normal_pdf(x: np.ndarray, mean: float | np.ndarray, var: float | np.ndarray) -> np.ndarray:
    return np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)


def expected_x0(x_t: float, alpha_bar: float, density: Callable, nodes: np.ndarray) -> float:
    """E[x_0 | x_t] for any density of x_0 on a line, by Bayes' rule and the trapezoidal rule."""
    joint = density(nodes) * normal_pdf(x_t, math.sqrt(alpha_bar) * nodes, 1 - alpha_bar)
    return float(trapezoid(nodes * joint, nodes) / trapezoid(joint, nodes))


def gauss_hermite(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for an expectation over N(0, 1); the weights have the sum 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, weights / weights.sum()


# --- the article's own formulation, 0-based ----------------------------------------------------


class Article:
    """The article's code, where t runs over range(T) and the tables have T entries."""

    def __init__(self, T: int, beta_1: float = 1e-4, beta_T: float = 0.02) -> None:
        self.T = T
        self.betas = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
        self.alphas = 1.0 - self.betas
        self.alpha_bars = torch.cumprod(self.alphas, dim=0)

    def forward_diffusion(self, x_0: Tensor, t: int, noise: Tensor) -> Tensor:
        alpha_bar = self.alpha_bars[t]
        return torch.sqrt(alpha_bar) * x_0 + torch.sqrt(1 - alpha_bar) * noise

    def sample(self, model: Callable, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Every x, from x_T to the sample; `model` takes x and the article's t."""
        states = [x]
        for t in reversed(range(self.T)):
            noise_weight = self.betas[t] / torch.sqrt(1 - self.alpha_bars[t])
            x = (x - noise_weight * model(x, t)) / torch.sqrt(self.alphas[t])
            if t > 0:
                z = torch.randn(x.shape, dtype=x.dtype, generator=generator)
                x = x + torch.sqrt(self.betas[t]) * z
            states.append(x)
        return states
