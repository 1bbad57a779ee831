"""Two people push at once, or somebody changes something in the middle: one wins, and the other is told."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from aws_support import QUICK, SECRET, SERVICE, TO, VALUES, Operator, fill
from cli_support import COMMAND, Result
from strict_aws import Step, StrictAws, given_service
from terminal_support import converse

PUSH = ("push", *TO, "--yes")
TO_SERVICE = (*PUSH, *SERVICE, *QUICK)
UNTIL_WRITTEN = ("GetSecretValue", "DescribeServices", "DescribeTaskDefinition", "PutSecretValue")


@pytest.fixture
def rival(
    aws: StrictAws,
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Operator:
    """Somebody else with the same files, who pushes to the same secret."""
    folder = tmp_path_factory.mktemp("rival")
    fill(folder)
    return Operator(aws, folder, monkeypatch, capsys)


Together = Callable[..., list[Result]]


def _start(person: Operator, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "secrets", *arguments],
        cwd=person.folder,
        env=person.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def together() -> Iterator[Together]:
    """Run one command by several people at once, each in a process."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*people: Operator, arguments: tuple[str, ...] = PUSH) -> list[Result]:
        started.extend(_start(person, arguments) for person in people)
        results = []
        for process in started:
            out, err = process.communicate(timeout=60)
            results.append(Result(process.returncode, out.decode(), err.decode()))
        return results

    yield run
    for process in started:
        process.kill()
        process.communicate()


class TestTogether:
    """Both are about to write at the same moment."""

    def test_one_push_wins_and_the_other_has_written_nothing(
        self, aws: StrictAws, operator: Operator, rival: Operator, together: Together
    ) -> None:
        """Exit codes 0 and 7, one new version, and it is whole."""
        operator.have_pushed()
        operator.write(TRANSLATION_API_PASSWORD="password-of-the-one", ONE="one")
        rival.write(TRANSLATION_API_PASSWORD="password-of-the-other", OTHER="other")
        aws.hold("PutSecretValue", 2)
        results = together(operator, rival)
        assert sorted(result.code for result in results) == [0, 7], [result.err for result in results]
        first = results[0].code == 0
        name, password = ("ONE", "password-of-the-one") if first else ("OTHER", "password-of-the-other")
        assert operator.stored() == VALUES | {name: name.lower(), "TRANSLATION_API_PASSWORD": password}
        assert operator.versions() == 2
        loser = results[1] if first else results[0]
        assert "somebody else has changed" in loser.err
        assert "nothing was written" in loser.err
        assert "wrote version" not in loser.err

    def test_one_first_push_wins(self, aws: StrictAws, operator: Operator, rival: Operator, together: Together) -> None:
        """A secret is made once, and by one of the two."""
        rival.write(OTHER="other")
        aws.hold("CreateSecret", 2)
        results = together(operator, rival)
        assert sorted(result.code for result in results) == [0, 7], [result.err for result in results]
        assert operator.stored() == (VALUES if results[0].code == 0 else VALUES | {"OTHER": "other"})
        assert operator.versions() == 1

    def test_the_same_push_twice_is_one_write(
        self, aws: StrictAws, operator: Operator, rival: Operator, together: Together
    ) -> None:
        """Where both write the same, both have done it."""
        operator.have_pushed()
        for person in (operator, rival):
            person.write(NEW_KEY="new")
        aws.hold("PutSecretValue", 2)
        results = together(operator, rival)
        assert [result.code for result in results] == [0, 0], [result.err for result in results]
        assert operator.stored() == VALUES | {"NEW_KEY": "new"}
        assert operator.versions() == 2

    def test_two_rollbacks_go_back_once(
        self, aws: StrictAws, operator: Operator, rival: Operator, together: Together
    ) -> None:
        """The second to come would go forward again; it is told that the label has moved."""
        operator.have_pushed()
        operator.write(NEW_KEY="new")
        assert operator.here(*PUSH).code == 0
        aws.hold("UpdateSecretVersionStage", 2)
        results = together(operator, rival, arguments=("rollback", *TO, "--yes"))
        assert operator.stored() == VALUES
        assert operator.versions() == 2
        assert {result.code for result in results} <= {0, 7}, [result.err for result in results]
        assert 0 in {result.code for result in results}


class TestMeanwhile:
    """Somebody acts between two of our calls."""

    @pytest.mark.parametrize("moment", UNTIL_WRITTEN)
    def test_another_push_in_between_is_a_conflict(
        self, aws: StrictAws, operator: Operator, rival: Operator, moment: str
    ) -> None:
        """Whatever we had read by then: exit code 7, theirs stands, and nothing of ours was written."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours", TRANSLATION_API_PASSWORD="our-password")
        rival.write(NEW_KEY="theirs")
        theirs: list[Result] = []
        aws.meanwhile(moment, lambda: theirs.append(rival.process(*PUSH)))
        ours = operator.here(*TO_SERVICE)
        assert theirs[0].code == 0, theirs[0].err
        assert ours.code == 7, ours.err
        assert operator.stored() == VALUES | {"NEW_KEY": "theirs"}
        assert operator.versions() == 2
        assert len(operator.revisions()) == 1
        again = operator.here(*TO_SERVICE)
        assert again.code == 0, again.err
        assert operator.stored() == VALUES | {"NEW_KEY": "ours", "TRANSLATION_API_PASSWORD": "our-password"}

    def test_a_push_before_we_have_looked_is_no_conflict(
        self, aws: StrictAws, operator: Operator, rival: Operator
    ) -> None:
        """We plan on what is there then."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")
        rival.write(NEW_KEY="theirs")
        aws.meanwhile("DescribeSecret", lambda: rival.process(*PUSH))
        assert operator.here(*PUSH).code == 0
        assert operator.stored()["NEW_KEY"] == "ours"
        assert operator.versions() == 3

    def test_another_tool_between_our_two_reads_is_a_conflict(self, aws: StrictAws, operator: Operator) -> None:
        """Its token isn't ours, so we must notice ourselves that the value isn't of the version we were told of."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")
        client, theirs = aws.client("secretsmanager"), VALUES | {"NEW_KEY": "theirs"}
        aws.meanwhile(
            "GetSecretValue", lambda: client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(theirs))
        )
        result = operator.here(*PUSH)
        assert result.code == 7, result.err
        assert operator.stored() == theirs
        assert "PutSecretValue" not in aws.operations

    def test_a_push_in_the_middle_of_a_rollback_is_a_conflict(
        self, aws: StrictAws, operator: Operator, rival: Operator
    ) -> None:
        """The label is taken only from the version that the rollback was planned on."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")
        assert operator.here(*PUSH).code == 0
        rival.write(NEW_KEY="theirs")
        aws.meanwhile("UpdateSecretVersionStage", lambda: rival.process(*PUSH))
        back = operator.here("rollback", *TO, "--yes")
        assert back.code == 7, back.err
        assert operator.stored() == VALUES | {"NEW_KEY": "theirs"}

    def test_a_secret_that_is_deleted_in_between_is_not_written(self, aws: StrictAws, operator: Operator) -> None:
        """Exit code 7 and the way to take the deletion back."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")
        client = aws.client("secretsmanager")
        aws.meanwhile("PutSecretValue", lambda: client.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7))
        result = operator.here(*PUSH)
        assert result.code == 7, result.err
        assert "--restore" in result.err

    @pytest.mark.parametrize("moment", [0, 1])
    def test_a_deployment_of_somebody_else_in_between_is_not_undone(
        self, aws: StrictAws, operator: Operator, moment: int
    ) -> None:
        """They may have deployed another image: we don't put the old one in its place, and the same command goes on."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")

        def deploy() -> None:
            client = aws.client("ecs")
            document = dict(client.describe_task_definition(taskDefinition="gateway")["taskDefinition"])
            kept = ("family", "containerDefinitions", "executionRoleArn", "networkMode", "cpu", "memory")
            document = {name: document[name] for name in (*kept, "requiresCompatibilities")}
            document["containerDefinitions"][0]["image"] = "newer"
            arn = client.register_task_definition(**document)["taskDefinition"]["taskDefinitionArn"]
            client.update_service(cluster=SERVICE[1], service="gateway", taskDefinition=arn)

        aws.meanwhile("DescribeTaskDefinition", deploy, after=moment)
        result = operator.here(*TO_SERVICE)
        assert result.code == 7, result.err
        again = operator.here(*TO_SERVICE)
        assert again.code == 0, again.err
        running = aws.client("ecs").describe_task_definition(taskDefinition=operator.service()["taskDefinition"])
        assert running["taskDefinition"]["containerDefinitions"][0]["image"] == "newer"
        assert aws.running("gateway") == [VALUES | {"NEW_KEY": "ours"}] * 2

    def test_a_service_that_is_deleted_in_between_is_told(self, aws: StrictAws, operator: Operator) -> None:
        """Exit code 6, with the word that the secret stands."""
        operator.have_pushed()
        operator.write(NEW_KEY="ours")
        ecs = aws.client("ecs")
        aws.meanwhile("UpdateService", lambda: ecs.delete_service(cluster=SERVICE[1], service="gateway", force=True))
        result = operator.here(*TO_SERVICE)
        assert result.code == 6, result.err
        assert "stands" in result.err


def test_interrupting_the_wait_leaves_the_deployment(aws: StrictAws, operator: Operator) -> None:
    """Ctrl-C while following: exit code 130, the deployment goes on, and the same command follows it."""
    given_service(aws)
    aws.roll_out("gateway", Step.IN_PROGRESS)
    process = _start(operator, ("push", *TO, *SERVICE, "--poll", "0.05"))
    reached = False
    with process:
        assert process.stderr is not None
        told = b""
        for line in process.stderr:
            told += line
            if b"in progress" in line and not reached:
                reached = True
                os.kill(process.pid, 2)
        assert process.wait(timeout=60) == 130, told
    assert b"goes on" in told
    assert operator.stored() == VALUES


def test_a_push_while_a_person_is_asked_is_a_conflict(aws: StrictAws, operator: Operator, rival: Operator) -> None:
    """The question was about what is no longer there; nothing is written, however it was answered."""
    operator.have_pushed()
    operator.write(TRANSLATION_API_PASSWORD="our-password")
    rival.write(TRANSLATION_API_PASSWORD="their-password")
    aws.meanwhile("DescribeSecret", lambda: rival.process(*PUSH), after=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(operator.folder)
        shown = converse(["secrets", "push", *TO], {"[y/N]: ": "y"}, operator.environ)
    assert shown.code == 7, shown.out
    assert "nothing was written" in shown.out
    assert operator.stored()["TRANSLATION_API_PASSWORD"] == "their-password"
    assert operator.versions() == 2
