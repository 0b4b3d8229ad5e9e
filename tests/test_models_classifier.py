"""The classifier that judges samples: what it was shipped for, and which files it refuses."""

import pytest
import torch
from torch.nn import functional as F

from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import CheckpointError, DigitClassifier, load_classifier, save_classifier
from ddpm_lessons.models.classifier import CLASSIFIER, SHIPPED
from ddpm_lessons.models.pretrained import PRETRAINED
from ddpm_lessons.models.storage import read_header, read_tensors, write_tensors


@pytest.fixture(scope="module")
def shipped() -> DigitClassifier:
    return load_classifier()


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return load_mnist("test")[:20]


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    save_classifier(tmp_path / "c.safetensors", DigitClassifier(), about={"epochs": 0})
    return tmp_path / "c.safetensors"


def test_the_shipped_classifier_reads_the_test_digits(shipped):
    test = load_mnist("test")
    with torch.no_grad():
        read = torch.cat(
            [shipped(test[range(i, i + 500)]).argmax(1) for i in range(0, 10_000, 500)]
        )
    assert len(read) == 10_000
    assert (read == test.labels).float().mean() >= 0.993


def test_the_shipped_file_is_small_and_says_where_it_comes_from():
    assert SHIPPED.stat().st_size < 1e6
    assert {"epochs", "seed", "data", "seconds"} <= read_header(SHIPPED)["about"].keys()


def test_loading_moves_no_generator_and_gives_a_network_that_is_ready():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    classifier = load_classifier()
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(m.training for m in classifier.modules())
    assert not any(p.requires_grad for p in classifier.parameters())
    assert {x.dtype for x in classifier.parameters()} == {torch.float32}


def test_the_features_are_those_of_the_formulas_in_float64(shipped, digits):
    """From the file's own numbers: a convolution, (x - mean) / sqrt(var + eps), max(0, x)."""
    w = {name: x.double() for name, x in read_tensors(SHIPPED, CLASSIFIER)[0].items()}
    x = digits.double()
    for conv in (0, 3, 7, 10, 14):
        x = F.conv2d(x, w[f"convolutions.{conv}.weight"], padding=1)
        norm = {
            part: w[f"convolutions.{conv + 1}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        }
        x = (x - norm["running_mean"]) / (norm["running_var"] + 1e-5).sqrt()
        x = (x * norm["weight"] + norm["bias"]).clamp(min=0)
        if conv in (3, 10, 14):
            side = x.shape[-1] // 2 * 2
            x = x[..., :side, :side].unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    features = (x.flatten(1) @ w["hidden.weight"].T + w["hidden.bias"]).clamp(min=0)
    logits = features @ w["head.weight"].T + w["head.bias"]
    torch.testing.assert_close(shipped.features(digits).double(), features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shipped(digits).double(), logits, rtol=1e-4, atol=1e-4)


def test_the_features_have_128_numbers_none_of_them_negative(shipped, digits):
    features = shipped.features(digits)
    assert features.shape == (20, 128)
    assert features.min() == 0
    assert features.square().mean().item() == pytest.approx(1, abs=0.2)  # 1 over the training set
    assert torch.equal(shipped.head(features), shipped(digits))


def test_an_image_is_read_the_same_alone_and_in_company(shipped, digits):
    together = shipped(digits)
    alone = torch.cat([shipped(digit[None]) for digit in digits])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


def test_half_the_bits_are_enough(path):
    torch.manual_seed(0)
    before, after = DigitClassifier().eval(), load_classifier(path)
    x = load_mnist("test")[:5]
    assert read_tensors(path, CLASSIFIER)[0]["hidden.weight"].dtype == torch.float16
    torch.testing.assert_close(after.features(x), before.features(x), rtol=1e-2, atol=1e-2)
    assert torch.equal(after(x).argmax(1), before(x).argmax(1))


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, 1, 28, 27),
        torch.zeros(1, 28, 28),
        torch.zeros(2, 3, 28, 28),
        torch.zeros(2, 1, 28, 28).byte(),
        None,
    ],
)
def test_what_is_no_digit_is_refused(shipped, x):
    for function in (shipped, shipped.features):
        with pytest.raises(
            ValueError, match=r"x is .*, expected a floating tensor \(B, 1, 28, 28\)"
        ):
            function(x)


@pytest.mark.parametrize("kept", [0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(CheckpointError, match=r"c.safetensors: .*(damaged|cut off)"):
        load_classifier(path)


def test_an_altered_byte_is_refused(path):
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="cut off or altered"):
        load_classifier(path)


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(CheckpointError, match=r"its format is .*not 'ddpm_lessons.classifier/1'"):
        load_classifier(SHIPPED.with_name(PRETRAINED["mnist"]))
    with pytest.raises(CheckpointError, match=r"nothing.safetensors: No such file"):
        load_classifier(tmp_path / "nothing.safetensors")
    state = read_tensors(path, CLASSIFIER)[0]
    header = {"format": CLASSIFIER, "architecture": "DigitClassifier"}
    write_tensors(path, state, {**header, "architecture": "Other"})
    with pytest.raises(CheckpointError, match="the architecture 'Other', not 'DigitClassifier'"):
        load_classifier(path)
    del state["head.bias"]
    write_tensors(path, state, header)
    with pytest.raises(CheckpointError, match=r"of another architecture: 1 tensors missing"):
        load_classifier(path)


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    classifier = DigitClassifier()
    torch.nn.init.constant_(classifier.head.bias, 1e6)  # more than float16 can hold
    with pytest.raises(CheckpointError, match=r"head.bias holds NaN or infinity"):
        save_classifier(tmp_path / "c.safetensors", classifier)
    assert not list(tmp_path.iterdir())
