"""How `tickctl explain` answers: in JSON, in a pipe, and for people."""

import json
from typing import TYPE_CHECKING

from tickctl.cli.explain.mend import Mend
from tickctl.cli.redact import printable
from tickctl.cli.run import Run

if TYPE_CHECKING:
    from tickctl.gateway.explanation import Explanation


def explanation_json(found: "Explanation", what: Mend, ticks: int) -> dict[str, object]:
    """Return the documented JSON."""
    from tickctl.cli.quota import state_json

    problem, verdict, state = found.problem, found.verdict, found.state
    return {
        "admitted": found.admitted,
        "status": problem.status if problem else None,
        "code": found.code,
        "message": _message(found),
        "hint": what.hint,
        "command": what.command,
        "user_id": state.user_id if state else verdict.subject if verdict else None,
        "email": state.email if state else verdict.email if verdict else None,
        "ticks": ticks,
        "quota": state_json(state) if state else None,
        "steps": [{"name": s.name, "result": s.result, "detail": s.detail or None} for s in found.steps],
        "headers": found.headers,
        "body": json.loads(problem.body()) if problem else None,
    }


def _message(found: "Explanation") -> str:
    """Return what happened, in a sentence: that of the step which decided."""
    deciding = [step for step in found.steps if step.result in {"fail", "cannot_tell"}]
    if found.admitted:
        return "the request would be let through"
    if found.problem is None and found.admitted is False:
        return f"refused in any case; but not known: {deciding[0].detail}"
    return deciding[0].detail


def show(run: Run, found: "Explanation", what: Mend, ticks: int) -> None:
    """Tell a person: the answer in one line, the steps, what would be sent, and what to do."""
    answer = explanation_json(found, what, ticks)
    head = {True: "let through", False: "refused", None: "cannot tell"}[found.admitted]
    names = ("status", "code", "message", "user_id", "email", "hint", "command")
    facts = {"answer": head} | {name: answer[name] for name in names}
    if not run.output.style.terminal:
        run.output.record(facts)  # type: ignore[arg-type] # all of these are cells
        run.output.table(("step", "result", "detail"), [(s.name, s.result, s.detail) for s in found.steps])
        run.output.table(("header", "value"), list(found.headers.items()))
        if found.problem:
            run.output.text(f"body\t{found.problem.body().decode()}")
        return
    shown = head if found.admitted or found.code is None else f"{head}: {found.code}"
    run.output.coloured(shown, {True: "green", False: "red", None: "yellow"}[found.admitted])
    if answer["email"] or answer["user_id"]:
        run.output.text(printable(str(answer["email"] or answer["user_id"])))
    run.output.text()
    run.output.table(
        ("step", "result", "detail"), [(s.name, s.result.replace("_", " "), s.detail) for s in found.steps]
    )
    run.output.text()
    _show_answer(run, found)
    if what.command:
        run.output.text()
        run.output.text(f"to change it  {printable(what.command)}")  # unbroken, ready to be pasted
    if what.hint:
        run.output.notice(f"hint: {what.hint}")


def _show_answer(run: Run, found: "Explanation") -> None:
    from tickctl.gateway.problem import TITLES

    if found.problem is not None:
        run.output.text(f"HTTP {found.problem.status} {TITLES[found.problem.status]}")
    elif found.admitted:
        run.output.text("The application answers; the gateway adds" + ("" if found.headers else " nothing."))
    else:
        run.output.text("What the gateway would answer is not known.")
    for name, value in found.headers.items():
        run.output.paragraph(value, first=f"{name}: ")
    if found.problem is not None:
        run.output.text()
        for name, value in json.loads(found.problem.body()).items():
            run.output.paragraph(json.dumps(value), first=f"{name}: ")
