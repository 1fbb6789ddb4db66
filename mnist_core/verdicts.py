"""Logits -> an honest verdict: a digit, one of several, or no digit at all. No model is needed here.

A network that has learned things which are no digit was taught an eleventh logit that is always 0. How far its ten
logits rise above that, all together, is the evidence that there is a digit at all; which of them rises highest says
which one it is.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from mnist_core.checkpoints import Limits

Verdict = Literal["digit", "unsure", "not a digit", "blank"]
COVERAGE = 0.99  # of validation digits have their label among the candidates
ACCEPTED = 0.995  # of validation digits have evidence enough for a digit
KNOWN = 0.9995  # of validation digits have evidence enough not to be turned away
ENOUGH = 1 / 3  # of the probability makes a candidate in any case: two of more than a half there cannot be


class Judgement(NamedTuple):
    verdict: Verdict
    candidates: tuple[int, ...]  # the digits that it may be, the likeliest first


def softmax(logits: np.ndarray) -> np.ndarray:
    return special.softmax(logits.astype(np.float64), axis=1)


def evidence(logits: np.ndarray) -> np.ndarray:
    """N x 10 -> N: the logarithm of how many times likelier any digit is than none."""
    return special.logsumexp(logits.astype(np.float64), axis=1)


def judge(logits: np.ndarray, limits: Limits | None) -> list[Judgement]:
    """A network without limits has never seen anything but digits: it takes everything for one."""
    order = np.argsort(-logits, axis=1, kind="stable")
    if limits is None:
        return [Judgement("digit", (int(first),)) for first in order[:, 0]]
    judgements = []
    for digits, shares, proof in zip(order, softmax(logits), evidence(logits), strict=True):
        candidates = tuple(int(digit) for digit in digits if shares[digit] >= limits.candidate)
        if proof < limits.perhaps:
            judgements.append(Judgement("not a digit", ()))
        elif len(candidates) != 1:
            judgements.append(Judgement("unsure", candidates or tuple(int(digit) for digit in digits[:2])))
        else:
            judgements.append(Judgement("digit" if proof >= limits.digit else "unsure", candidates))
    return judgements


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """What the logits of validation images are best divided by: the least cross-entropy."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        shares = softmax(logits / np.exp(log_temperature))
        return -np.log(np.maximum(shares[np.arange(len(labels)), labels], 1e-300)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def fit_limits(labels: np.ndarray, logits: np.ndarray, changed: np.ndarray, others: np.ndarray) -> Limits:
    """Limits from validation digits, from the same digits changed as in training, and from things that are no digit.

    `changed` stands for the hands of people who write worse than any of MNIST's writers: the smallest share of the
    probability that still makes a candidate is set so that at least COVERAGE of these have their label among the
    candidates.
    """
    shares = np.sort(softmax(changed)[np.arange(len(labels)), labels])
    # The conformal rank: with one more image of the same kind, the promise holds for that one too.
    rank = int(np.floor((len(labels) + 1) * (1 - COVERAGE)))
    candidate = min(float(shares[max(rank, 1) - 1]), ENOUGH)
    proofs = np.sort(evidence(logits))
    digit, perhaps = (float(np.quantile(proofs, 1 - share)) for share in (ACCEPTED, KNOWN))
    limits = Limits(digit=digit, perhaps=perhaps, candidate=candidate)
    looked_at = {"digits": logits, "changed digits": changed, "others": others}
    return replace(limits, rates={name: shares_of_verdicts(judge(rows, limits)) for name, rows in looked_at.items()})


def shares_of_verdicts(judgements: list[Judgement]) -> dict[str, float]:
    verdicts = [judgement.verdict for judgement in judgements]
    return {
        verdict: round(verdicts.count(verdict) / len(verdicts), 5) for verdict in ("digit", "unsure", "not a digit")
    }
