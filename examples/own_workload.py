"""A workload of your own, a plain torch loop:  sweeps run examples/own_workload.yaml"""

import torch
from pydantic import BaseModel
from sklearn.datasets import load_digits

from objectives import OBJECTIVES, score_embeddings
from sweeps import ControlRule, SpaceRules, Workload
from trainer import Measurement
from trainer.losses import tcm_loss


class Config(BaseModel, extra="forbid"):
    tcm: float = 0.1
    learning_rate: float = 0.01
    width: int = 32
    epochs: int = 3
    seed: int = 0


class Run:  # trains on the digits 0 to 4, and is scored on the digits 5 to 9
    def __init__(self, config: Config, *_):
        torch.manual_seed(config.seed)
        pixels, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
        self.config, self.epoch, seen = config, 0, labels < 5
        self.train, self.new = (pixels[seen], labels[seen]), (pixels[~seen], labels[~seen])
        hidden = torch.nn.Linear(64, config.width)
        self.model = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(config.width, 8))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate)

    def advance(self):
        for batch in torch.randperm(len(self.train[0])).split(64):
            unit = torch.nn.functional.normalize(self.model(self.train[0][batch].float()))
            labels = self.train[1][batch]
            same = (labels[:, None] == labels).float()
            loss = (unit @ unit.T - same).square().mean()
            tcm = tcm_loss(unit, labels, margin_positive=0.9, margin_negative=0.5)
            self.optimizer.zero_grad()
            (loss + self.config.tcm * tcm).backward()
            self.optimizer.step()
        self.epoch += 1
        with torch.no_grad():
            metrics = score_embeddings(self.model(self.new[0].float()), self.new[1]).metrics()
        seed = self.config.seed
        return Measurement(epoch=self.epoch, seed=seed, split="validation", metrics=metrics)

    def state_dict(self):
        states = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return states | {"epoch": self.epoch, "random": torch.get_rng_state()}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])


workload = Workload(
    config=Config,
    objectives=OBJECTIVES,
    default_objectives=("recall_at_1", "opis"),
    last_epoch=lambda config: config.epochs,
    start=Run,
    rules=SpaceRules(control=ControlRule(off={"tcm": 0.0}, label="TCM weight 0")),
)
