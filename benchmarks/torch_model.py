"""The same model in PyTorch, written in the ordinary way: a loop over frames, skips concatenated.

A yardstick for benchmarks and nothing else; it needs PyTorch and NumPy alone.
"""

import numpy as np
import torch
from torch import nn


def _block(convolution: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.LeakyReLU(0.2, inplace=True))


def _widths(image_width: int, base_width: int) -> list[int]:
    return [base_width * min(2**stage, 8) for stage in range(image_width.bit_length() - 3)]


class DcganEncoder(nn.Module):
    """A frame [B, C, H, W] -> its code [B, G] and the maps of each stage."""

    def __init__(self, image_width: int, channels: int, g_dim: int, base_width: int):
        super().__init__()
        widths = _widths(image_width, base_width)
        ends = zip([channels, *widths], widths, strict=False)
        self.stages = nn.ModuleList(_block(nn.Conv2d(before, after, 4, 2, 1), after) for before, after in ends)
        self.head = nn.Sequential(nn.Conv2d(widths[-1], g_dim, 4), nn.BatchNorm2d(g_dim), nn.Tanh())

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        skips = []
        for stage in self.stages:
            maps = stage(maps)
            skips.append(maps)
        return self.head(maps).flatten(1), skips


class DcganDecoder(nn.Module):
    """A code [B, G] and the encoder's maps -> a frame [B, C, H, W] in [0, 1]."""

    def __init__(self, image_width: int, channels: int, g_dim: int, base_width: int):
        super().__init__()
        widths = _widths(image_width, base_width)[::-1]
        self.stem = _block(nn.ConvTranspose2d(g_dim, widths[0], 4), widths[0])
        self.stages = nn.ModuleList(
            _block(nn.ConvTranspose2d(2 * before, after, 4, 2, 1), after)
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.pixels = nn.ConvTranspose2d(2 * widths[-1], channels, 4, 2, 1)

    def forward(self, code: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        maps = self.stem(code[:, :, None, None])
        for stage, skip in zip([*self.stages, self.pixels], reversed(skips), strict=True):
            maps = stage(torch.cat([maps, skip], 1))
        return torch.sigmoid(maps)


class VggEncoder(nn.Module):
    """A frame [B, C, H, W] -> its code [B, G] and the maps of each stage before pooling."""

    def __init__(self, image_width: int, channels: int, g_dim: int, base_width: int):
        super().__init__()
        widths, self.stages, before = _widths(image_width, base_width), nn.ModuleList(), channels
        for stage, width in enumerate(widths):
            inputs = [before, *[width] * (1 if stage < 2 else 2)]
            self.stages.append(nn.Sequential(*[_block(nn.Conv2d(i, width, 3, 1, 1), width) for i in inputs]))
            before = width
        self.head = nn.Sequential(nn.Conv2d(widths[-1], g_dim, 4), nn.BatchNorm2d(g_dim), nn.Tanh())

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        skips = []
        for stage in self.stages:
            maps = stage(maps)
            skips.append(maps)
            maps = nn.functional.max_pool2d(maps, 2)
        return self.head(maps).flatten(1), skips


class VggDecoder(nn.Module):
    """A code [B, G] and the encoder's maps -> a frame [B, C, H, W] in [0, 1]."""

    def __init__(self, image_width: int, channels: int, g_dim: int, base_width: int):
        super().__init__()
        widths, self.stages = _widths(image_width, base_width), nn.ModuleList()
        self.stem = _block(nn.ConvTranspose2d(g_dim, widths[-1], 4), widths[-1])
        for stage, width in reversed(list(enumerate(widths))):
            outputs = [width, *[width] * (0 if stage < 2 else 1), *([widths[stage - 1]] if stage else [])]
            ends = zip([2 * width, *outputs], outputs, strict=False)
            self.stages.append(nn.Sequential(*[_block(nn.Conv2d(i, o, 3, 1, 1), o) for i, o in ends]))
        self.pixels = nn.ConvTranspose2d(widths[0], channels, 3, 1, 1)

    def forward(self, code: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        maps = self.stem(code[:, :, None, None])
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            maps = nn.functional.interpolate(maps, scale_factor=2)
            maps = stage(torch.cat([maps, skip], 1))
        return torch.sigmoid(self.pixels(maps))


class Recurrent(nn.Module):
    """Linear, LSTM cells, linear heads; it carries its state."""

    def __init__(self, inputs: int, rnn_size: int, layers: int, *heads: int):
        super().__init__()
        self.rnn_size = rnn_size
        self.embed = nn.Linear(inputs, rnn_size)
        self.cells = nn.ModuleList(nn.LSTMCell(rnn_size, rnn_size) for _ in range(layers))
        self.heads = nn.ModuleList(nn.Linear(rnn_size, width) for width in heads)

    def reset(self, like: torch.Tensor) -> None:
        zeros = torch.zeros(len(like), self.rnn_size, device=like.device)
        self.state = [(zeros, zeros) for _ in self.cells]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.embed(x)
        for index, cell in enumerate(self.cells):
            self.state[index] = cell(x, self.state[index])
            x = self.state[index][0]
        return [head(x) for head in self.heads]


class TorchSVG(nn.Module):
    """SVG-LP with the sizes of a configuration, given by name; its loss and its optimizer's step."""

    def __init__(self, sizes: dict):
        super().__init__()
        ends = [sizes[name] for name in ("image_width", "channels", "g_dim", "base_width")]
        backbones: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
            "dcgan": (DcganEncoder, DcganDecoder),
            "vgg": (VggEncoder, VggDecoder),
        }
        encoder, decoder = backbones[sizes["backbone"]]
        self.sizes, g_dim, z_dim, rnn_size = sizes, sizes["g_dim"], sizes["z_dim"], sizes["rnn_size"]
        self.encoder, self.decoder = encoder(*ends), decoder(*ends)
        self.predictor = Recurrent(g_dim + z_dim, rnn_size, sizes["predictor_layers"], g_dim)
        self.posterior = Recurrent(g_dim, rnn_size, sizes["posterior_layers"], z_dim, z_dim)
        self.prior = Recurrent(g_dim, rnn_size, sizes["prior_layers"], z_dim, z_dim)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=sizes["learning_rate"], betas=(0.9, 0.999))

    def loss(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: float32 [T, B, C, H, W] in [0, 1]."""
        encoded = [self.encoder(frame) for frame in frames]
        for network in (self.predictor, self.posterior, self.prior):
            network.reset(encoded[0][0])
        error = divergence = 0.0
        for t in range(1, len(frames)):
            code, target = encoded[t - 1][0], encoded[t][0]
            if t <= self.sizes["n_past"]:
                skips = encoded[t - 1][1]
            mean, logvar = self.posterior(target)
            prior_mean, prior_logvar = self.prior(code)
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            (g,) = self.predictor(torch.cat([code, z], 1))
            error = error + nn.functional.mse_loss(self.decoder(torch.tanh(g), skips), frames[t])
            ratio = (torch.exp(logvar) + (mean - prior_mean) ** 2) / torch.exp(prior_logvar)
            divergence = divergence + 0.5 * (prior_logvar - logvar + ratio - 1).sum() / len(code)
        return error + self.sizes["beta"] * divergence

    def train_step(self, frames: torch.Tensor) -> torch.Tensor:
        """One update; returns the loss before it."""
        self.optimizer.zero_grad()
        loss = self.loss(frames)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def generate(self, frames: torch.Tensor, horizon: int) -> torch.Tensor:
        """One future of a context float32 [P, B, C, H, W], frame by frame: [horizon, B, C, H, W]."""
        for network in (self.predictor, self.posterior, self.prior):
            network.reset(frames[0, :, 0, 0])
        made, frame = [], frames[0]
        for t in range(1, len(frames) + horizon):
            code, new_skips = self.encoder(frame)
            if t <= len(frames):
                skips = new_skips
            mean, logvar = self.prior(code)
            if t < len(frames):
                mean, logvar = self.posterior(self.encoder(frames[t])[0])
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            (g,) = self.predictor(torch.cat([code, z], 1))
            if t < len(frames):
                frame = frames[t]
            else:
                frame = self.decoder(torch.tanh(g), skips)
                made.append(frame)
        return torch.stack(made)


def to_torch(clips: np.ndarray) -> torch.Tensor:
    """uint8 [B, T, H, W, C] -> float32 [T, B, C, H, W] in [0, 1]."""
    return torch.from_numpy(clips).permute(1, 0, 4, 2, 3).contiguous().float() / 255
