"""One requirement, tried out in one way or several."""

from dataclasses import dataclass

from psycopg import sql

from tickctl.adapters.schema_check.finding import Finding
from tickctl.adapters.schema_check.outcomes import OK, Judge, Verdict, concluded
from tickctl.adapters.schema_check.trial import Statement, Trial


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something to try.

    Attributes:
        tried: what it is, in words that `was carried out` can follow.
        statements: one after the other, from the common beginning.
        judge: what the outcome shows.
        prepared: what the owner does before; where the project's own constraints refuse that, there is nothing to try.
    """

    tried: str
    statements: tuple[Statement, ...]
    judge: Judge
    prepared: tuple[Statement, ...] = ()

    def run(self, trial: Trial) -> Verdict:
        """Try it, and judge."""
        outcome = trial.attempt(*self.prepared, *self.statements)
        if outcome.sqlstate and self.prepared:
            before = trial.attempt(*self.prepared)
            if (before.sqlstate or "").startswith("23"):
                return OK
        return self.judge(outcome)


@dataclass(frozen=True, slots=True)
class Probe:
    """A requirement with its attempts; `id` and `title` are those of the finding."""

    id: str
    title: str
    attempts: tuple[Attempt, ...]

    def run(self, trial: Trial) -> Finding:
        """Try everything, and conclude.

        Raises:
            psycopg.Error: the connection is lost.
        """
        verdicts = [(each.tried, each.run(trial)) for each in self.attempts]
        return concluded(self.id, self.title, verdicts)


def consume(ticks: str) -> Statement:
    """Return the statement that asks for ticks, given as an SQL expression, and answers with the decision."""
    question = "select c.decision from public.consume_ticks(ticks => {ticks}, charge_id => gen_random_uuid()) as c"
    return sql.SQL(question).format(ticks=sql.SQL(ticks))
