"""A loss of pytorch-metric-learning over the pairs or triplets that a miner picks."""

from torch import Tensor, nn

__all__ = ["MinedLoss"]


class MinedLoss(nn.Module):
    """A loss and its miner as one module.

    Args:
        loss: Takes embeddings, labels and what the miner picked.
        miner: Takes embeddings and labels.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels, a scalar."""
        loss: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return loss
