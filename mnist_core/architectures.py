"""The networks: one table from a name to a class. Every network maps N x 1 x 28 x 28 tensors to N x 10 logits."""

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

DIGITS = 10
SIDE = 28


class MLP(nn.Sequential):
    """784-256-128-64-10 with dropout: fully connected, without convolutions."""

    def __init__(self, dropout: float = 0.2):
        layers: list[nn.Module] = [nn.Flatten()]
        widths = (SIDE * SIDE, 256, 128, 64)
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(widths[-1], DIGITS))


class SimpleCNN(nn.Sequential):
    """One convolution of 28 filters, one hidden layer: the smallest that deserves to be called convolutional."""

    def __init__(self, filters: int = 28, hidden: int = 128):
        super().__init__(
            nn.Conv2d(1, filters, 3),  # 28 x 26 x 26
            nn.ReLU(),
            nn.MaxPool2d(2),  # 28 x 13 x 13
            nn.Flatten(),
            nn.Linear(filters * 13 * 13, hidden),
            nn.ReLU(),
            nn.Linear(hidden, DIGITS),
        )


class BatchNormCNN(nn.Sequential):
    """Two blocks of two convolutions, each with batch normalisation, then dropout and a hidden layer."""

    def __init__(self, dropout: float = 0.25, hidden_dropout: float = 0.5):
        super().__init__(
            *self._block(1, 32, dropout),  # 32 x 14 x 14
            *self._block(32, 64, dropout),  # 64 x 7 x 7
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 128),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(128, DIGITS),
        )

    @staticmethod
    def _block(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, outputs, 3, padding="same"),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding="same"),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
        ]


class WideCNN(nn.Sequential):
    """Two wide 5 x 5 convolutions and a hidden layer of 1,024."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 32, 5, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 32 x 14 x 14
            nn.Conv2d(32, 64, 5, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 64 x 7 x 7
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 1024),
            nn.ReLU(),
            nn.Linear(1024, DIGITS),
        )


class MNISTNet(nn.Sequential):
    """Two 3 x 3 convolutions with batch normalisation, one pooling, dropout on whole feature maps."""

    def __init__(self, map_dropout: float = 0.25, hidden_dropout: float = 0.5):
        super().__init__(
            nn.Conv2d(1, 32, 3),  # 32 x 26 x 26
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3),  # 64 x 24 x 24
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 64 x 12 x 12
            nn.Dropout2d(map_dropout),
            nn.Flatten(),
            nn.Linear(64 * 12 * 12, 128),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(128, DIGITS),
        )


class HouseNet(nn.Sequential):
    """Five convolutions, few and wide, for an answer within a millisecond: the network of this house.

    It learns with batch normalisation and is shipped `folded`: each scale and shift merged into the convolution before.
    """

    def __init__(self, dropout: float = 0.3, folded: bool = False):
        super().__init__(
            *self._convolution(1, 16, 5, folded),
            nn.MaxPool2d(2),  # 16 x 14 x 14
            *self._convolution(16, 48, 3, folded),
            *self._convolution(48, 48, 3, folded),
            nn.MaxPool2d(2),  # 48 x 7 x 7
            *self._convolution(48, 96, 3, folded),
            *self._convolution(96, 128, 3, folded),
            nn.MaxPool2d(2),  # 128 x 3 x 3
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(128 * 3 * 3, DIGITS),
        )

    @staticmethod
    def _convolution(inputs: int, outputs: int, side: int, folded: bool) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=folded)
        return [convolution, nn.ReLU()] if folded else [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    def fold(self) -> "HouseNet":
        """The same function without batch normalisation."""
        layers: list[nn.Module] = []
        for layer in self.eval():
            if isinstance(layer, nn.BatchNorm2d):
                layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
            else:
                layers.append(layer)
        folded = HouseNet(folded=True)
        folded.load_state_dict(nn.Sequential(*layers).state_dict())
        return folded.eval()


ARCHITECTURES: dict[str, type[nn.Module]] = {
    "mlp": MLP,
    "simple_cnn": SimpleCNN,
    "batchnorm_cnn": BatchNormCNN,
    "wide_cnn": WideCNN,
    "mnistnet": MNISTNet,
    "house": HouseNet,
}


def build(architecture: str, **arguments) -> nn.Module:
    if architecture not in ARCHITECTURES:
        raise ValueError(f"No architecture is called {architecture!r}; there are {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[architecture](**arguments)


def parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, tensor: Tensor) -> int:
    """Multiply-adds of one pass over `tensor`, counted layer by layer where the work is done."""
    total = 0

    def count(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        model(tensor)
    finally:
        for hook in hooks:
            hook.remove()
    return total
