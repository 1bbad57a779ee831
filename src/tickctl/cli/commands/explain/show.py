"""How `tickctl explain` answers: in JSON, in a pipe, and for people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickctl.cli.commands.explain.mend import Mend, Person
from tickctl.cli.console.output import rfc3339
from tickctl.cli.console.redact import printable
from tickctl.cli.console.run import Run

if TYPE_CHECKING:
    from tickctl.cli.commands.explain.steps import Explanation
    from tickctl.core.quota import Consumption

_PASSED: Final[Mapping[str, str]] = {
    "header": "one Bearer token, in the form that Supabase gives it",
    "signature": "made with a key of the project",
    "claims": "a user's token of this project, and in force",
    "account": "the user exists and is not banned",
    "session": "the session has not ended",
    "confirmation": "the e-mail address is confirmed",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An explanation and what goes with it."""

    explanation: "Explanation"
    remedy: Mend
    person: Person
    ticks: int
    confirms: bool
    """Whether the e-mail must be confirmed."""

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """Each step with its result and the reason."""
        return [(name, result, self._detail(name, result)) for name, result in self.explanation.steps.items()]

    def json(self) -> dict[str, object]:
        """Return the documented JSON."""
        explanation, problem = self.explanation, self.explanation.problem
        return {
            "admitted": explanation.admitted,
            "status": problem.status if problem else None,
            "code": explanation.code,
            "message": explanation.message + self._numbers(),
            "hint": self.remedy.hint,
            "command": self.remedy.command,
            "user_id": self.person.user_id,
            "email": self.person.email,
            "ticks": self.ticks,
            "quota": _quota(explanation.consumption),
            "steps": [
                {"name": name, "result": result, "detail": detail or None} for name, result, detail in self.steps
            ],
            "headers": explanation.headers,
            "body": json.loads(problem.body()) if problem else None,
        }

    def _detail(self, name: str, result: str) -> str:
        match name, result:
            case _, "not_reached":
                detail = ""
            case _, "assumed":
                detail = "taken for granted, since no token was given"
            case _, "fail" | "cannot_tell":
                detail = self.explanation.message + self._numbers()
            case "ticks", _:
                detail = _count(self.ticks)
            case "quota", _:
                detail = "enough ticks are left" + self._day()
            case "confirmation", _ if not self.confirms:
                detail = "not required: SUPABASE_ALLOW_UNCONFIRMED"
            case _:
                detail = _PASSED[name]
        return detail

    def _numbers(self) -> str:
        """The numbers that a refusal for them rests on."""
        return self._day() if self.explanation.steps.get("quota") == "fail" else ""  # type: ignore[call-overload]

    def _day(self) -> str:
        day = self.explanation.consumption
        if day is None:
            return ""
        if day.daily_tick_limit is None:
            return ": the user is unlimited"
        granted = f" and {day.ticks_granted} granted" if day.ticks_granted else ""
        numbers = f"{day.ticks_used} used of {day.daily_tick_limit}{granted}, {day.ticks_remaining} left"
        return f": {numbers}, {_count(self.ticks)}"


def show(run: Run, answer: Answer) -> None:
    """Tell a person: the answer in one line, the steps, what would be sent, and what to do."""
    explanation, document = answer.explanation, answer.json()
    head = {True: "allowed", False: "rejected", None: "cannot tell"}[explanation.admitted]
    names = ("status", "code", "message", "user_id", "email", "hint", "command")
    if not run.output.style.terminal:
        run.output.record({"answer": head} | {name: document[name] for name in names})  # type: ignore[arg-type] # all of these are cells
        run.output.table(("step", "result", "detail"), answer.steps)
        run.output.table(("header", "value"), list(explanation.headers.items()))
        if explanation.problem:
            run.output.text(f"body\t{explanation.problem.body().decode()}")
        return
    title = head if explanation.admitted or explanation.code is None else f"{head}: {explanation.code}"
    run.output.coloured(title, {True: "green", False: "red", None: "yellow"}[explanation.admitted])
    if name := answer.person.email or answer.person.user_id:
        run.output.text(printable(name))
    run.output.text()
    steps = [(name, result.replace("_", " "), detail) for name, result, detail in answer.steps]
    run.output.table(("step", "result", "detail"), steps)
    run.output.text()
    _show_response(run, explanation)
    if answer.remedy.command:
        run.output.text()
        run.output.text(f"to change it  {printable(answer.remedy.command)}")  # unbroken, ready to be pasted
    if answer.remedy.hint:
        run.output.notice(f"hint: {answer.remedy.hint}")


def _show_response(run: Run, explanation: "Explanation") -> None:
    from tickctl.gateway.problem import TITLES

    if explanation.problem is not None:
        run.output.text(f"HTTP {explanation.problem.status} {TITLES[explanation.problem.status]}")
    elif explanation.admitted:
        run.output.text("The application answers; the gateway adds" + ("" if explanation.headers else " nothing."))
    else:
        run.output.text("What the gateway would answer is not known.")
    for name, value in explanation.headers.items():
        run.output.paragraph(value, first=f"{name}: ")
    if explanation.problem is not None:
        run.output.text()
        for name, value in json.loads(explanation.problem.body()).items():
            run.output.paragraph(json.dumps(value), first=f"{name}: ")


def _quota(day: "Consumption | None") -> dict[str, object] | None:
    if day is None or day.decision == "user_not_found":
        return None
    return {
        "daily_tick_limit": day.daily_tick_limit,
        "usage_date": str(day.usage_date),
        "ticks_used": day.ticks_used,
        "ticks_granted": day.ticks_granted,
        "ticks_remaining": day.ticks_remaining,
        "resets_at": rfc3339(day.resets_at),
    }


def _count(ticks: int) -> str:
    return f"{ticks} tick{'' if ticks == 1 else 's'} asked for"
