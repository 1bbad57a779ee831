"""What the options of push and rollback do, and what holds a push back."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from aws_support import QUICK, SECRET, SERVICE, TO, Operator
from cli_support import COMMAND
from strict_aws import Step, StrictAws, given_service


@pytest.fixture
def pushed(operator: Operator) -> Operator:
    """An operator who has pushed, and has changed a key since."""
    assert operator.here("push", *TO).code == 0
    operator.write(TRANSLATION_API_PASSWORD="another-password")
    return operator


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Say yes to the question of a command, once something else has happened."""

    def arrange(command: str, meanwhile: Callable[[], object]) -> None:
        monkeypatch.setattr(f"tickctl.cli.commands.secrets.{command}.confirm", lambda *_, **__: meanwhile())

    return arrange


def test_a_dry_run_opens_each_env_file_once(operator: Operator) -> None:
    """A second look could see another file than the first."""
    opened: list[str] = []
    is_listening = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if is_listening and event == "open" and str(arguments[0]).endswith(".env"):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)  # stays for the life of the process
    assert operator.here("push", *TO, "--dry-run").code == 0
    is_listening = False
    assert sorted(opened) == sorted(set(opened))
    assert opened


class TestPlace:
    """Which secret, in which account, under which key."""

    def test_a_profile_that_names_another_account_stops_the_push(self, aws: StrictAws, operator: Operator) -> None:
        """The wrong AWS_PROFILE at night: nothing is read of the secret, and nothing is written."""
        (operator.folder / "tickctl.toml").write_text(
            f'[env.production]\nsecret-id = "{SECRET}"\nregion = "eu-west-1"\naccount = "999999999999"\n'
        )
        refused = operator.here("push", "--env-name", "production")
        assert refused.code == 3
        assert "999999999999" in refused.err
        assert set(aws.operations) <= {"DescribeSecret", "GetCallerIdentity"}
        assert operator.versions() == 0

    def test_a_profile_says_all_that_options_would(self, aws: StrictAws, operator: Operator) -> None:
        """One name in place of five options."""
        given_service(aws)
        (operator.folder / "tickctl.toml").write_text(
            f'[env.production]\nsecret-id = "{SECRET}"\nregion = "eu-west-1"\naccount = "123456789012"\n'
            'cluster = "production"\nservices = ["gateway"]\ntags = { team = "agents" }\n'
        )
        done = operator.here("push", "--env-name", "production", *QUICK, "--json")
        assert done.code == 0, done.err
        assert (done.json["env_name"], done.json["services"][0]["outcome"]) == ("production", "completed")
        assert operator.state()["Tags"] == [{"Key": "team", "Value": "agents"}]

    def test_a_new_secret_gets_the_key_that_is_asked_for(self, aws: StrictAws, operator: Operator) -> None:
        """And an existing one keeps its own: another is refused, since AWS would silently write under the old one."""
        key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
        assert operator.here("push", *TO, "--kms-key", key).code == 0
        assert operator.state()["KmsKeyId"] == key
        assert operator.here("push", *TO, "--kms-key", f"arn:aws:kms:eu-west-1:123456789012:key/{key}").code == 0
        assert operator.here("push", *TO, "--kms-key", "alias/may-be-the-same").code == 0
        refused = operator.here("push", *TO, "--kms-key", "1e6b1d2c-0000-4000-8000-000000000000")
        assert refused.code == 3
        assert "is encrypted with" in refused.err

    def test_a_secret_under_the_account_s_key_is_not_taken_for_one_under_another(self, operator: Operator) -> None:
        """A key that was forgotten at the first push can't be added by the second."""
        assert operator.here("push", *TO).code == 0
        refused = operator.here("push", *TO, "--kms-key", "alias/gateway")
        assert refused.code == 3
        assert "the key of the account" in refused.err

    def test_tags_are_set_once(self, aws: StrictAws, pushed: Operator) -> None:
        """On a secret that is there already as well; the second time there is nothing to do."""
        tags = ("--tag", "team=agents", "--tag", "note=a=b")
        assert pushed.here("push", *TO, *tags, "--yes").code == 0
        assert {tag["Key"]: tag["Value"] for tag in pushed.state()["Tags"]} == {"team": "agents", "note": "a=b"}
        aws.all_well()
        assert pushed.here("push", *TO, *tags, "--yes").code == 0
        assert aws.operations == ["DescribeSecret", "GetSecretValue"]

    @pytest.mark.parametrize("tag", ["team", "=agents"])
    def test_a_tag_has_a_name_and_a_value(self, operator: Operator, tag: str) -> None:
        """Half of one is wrong usage."""
        assert operator.here("push", *TO, "--tag", tag).code == 2

    def test_without_a_secret_to_push_to_it_is_said_how_to_name_one(self, aws: StrictAws, operator: Operator) -> None:
        """No secret is ever guessed."""
        refused = operator.here("push")
        assert refused.code == 3
        assert "--secret-id" in refused.err
        assert aws.operations == []


def test_a_name_that_somebody_put_into_aws_does_not_drive_the_terminal(operator: Operator) -> None:
    """Whoever may write the secret may not write on the operator's screen."""
    assert operator.here("push", *TO).code == 0
    held = json.dumps(operator.stored() | {"\033[2J\nchanged\tNOTHING": "x"})
    operator.aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=held)
    shown = operator.here("push", *TO, "--prune", "--dry-run")
    assert "\033" not in shown.out + shown.err
    assert "removed\t\\x1b[2J\\nchanged\\tNOTHING\n" in shown.out


class TestDeletion:
    """A secret that is scheduled for deletion."""

    @pytest.fixture
    def doomed(self, pushed: Operator) -> Operator:
        """The secret is to be deleted in a week."""
        pushed.aws.client("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
        return pushed

    def test_it_is_not_made_anew(self, doomed: Operator) -> None:
        """Another secret of that name would have another ARN, which no task refers to."""
        refused = doomed.here("push", *TO, "--yes")
        assert refused.code == 7
        assert "--restore" in refused.err

    def test_restore_takes_the_deletion_back_and_pushes(self, doomed: Operator) -> None:
        """The same secret, with a new version."""
        arn = doomed.state()["ARN"]
        done = doomed.here("push", *TO, "--yes", "--restore")
        assert done.code == 0, done.err
        assert doomed.state()["ARN"] == arn
        assert doomed.stored()["TRANSLATION_API_PASSWORD"] == "another-password"

    def test_a_dry_run_restores_nothing(self, doomed: Operator) -> None:
        """What would change can't be told while AWS gives no value."""
        assert doomed.here("push", *TO, "--restore", "--dry-run").code == 7
        assert "DeletedDate" in doomed.state()


class TestMeanwhile:
    """Somebody else changes things while a person thinks about the question."""

    def test_another_version_is_a_conflict(self, pushed: Operator, asked: Any) -> None:
        """What was shown is no longer what would be written over."""
        other = json.dumps({"OF": "somebody else"})
        asked("push", lambda: pushed.aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=other))
        refused = pushed.here("push", *TO)
        assert refused.code == 7
        assert "nothing was written" in refused.err
        assert pushed.stored() == {"OF": "somebody else"}

    def test_another_deployment_is_a_conflict_before_anything_is_written(
        self, aws: StrictAws, pushed: Operator, asked: Any
    ) -> None:
        """Else somebody's deployment would be undone by the revision of before."""
        given_service(aws)

        def deploy() -> None:
            document = aws.client("ecs").describe_task_definition(taskDefinition="gateway")["taskDefinition"]
            fields = {name: document[name] for name in ("family", "networkMode", "cpu", "memory")}
            made = aws.client("ecs").register_task_definition(
                **fields, requiresCompatibilities=["FARGATE"], containerDefinitions=document["containerDefinitions"]
            )
            aws.client("ecs").update_service(
                cluster="production", service="gateway", taskDefinition=made["taskDefinition"]["taskDefinitionArn"]
            )

        asked("push", deploy)
        refused = pushed.here("push", *TO, *SERVICE, *QUICK)
        assert refused.code == 7
        assert pushed.versions() == 1

    def test_another_version_is_a_conflict_for_a_rollback_as_well(self, pushed: Operator, asked: Any) -> None:
        """The version before is then another one than was shown."""
        assert pushed.here("push", *TO, "--yes").code == 0
        client = pushed.aws.client("secretsmanager")
        asked("rollback", lambda: client.put_secret_value(SecretId=SECRET, SecretString='{"OF": "somebody else"}'))
        assert pushed.here("rollback", *TO).code == 7
        assert pushed.stored() == {"OF": "somebody else"}


class TestSafety:
    """What has no place in production."""

    def test_development_switches_are_named_and_refused(self, aws: StrictAws, operator: Operator) -> None:
        """Before AWS is asked anything."""
        operator.write(SUPABASE_ALLOW_UNCONFIRMED="true")
        refused = operator.here("push", *TO)
        assert refused.code == 3
        assert "SUPABASE_ALLOW_UNCONFIRMED" in refused.err
        assert aws.operations == []

    @pytest.mark.parametrize(
        "arguments",
        [("push", "--kms-key"), ("push", "--tag"), ("rollback", "--to"), ("pull", "--output", "x", "--version")],
        ids=" ".join,
    )
    def test_a_secret_in_the_place_of_a_name_is_not_repeated(
        self, aws: StrictAws, operator: Operator, arguments: tuple[str, ...]
    ) -> None:
        """Neither what looks like one, nor what the files hold as one."""
        for pasted in ("sb_secret_N7UND0UgjKTVK-Uodkm0Hg", "q8$Wm2!vT5#zR7nB4xK9pL3sD6fG1hJ0"):
            refused = operator.here(*arguments, pasted, *TO)
            assert refused.code == 2
            assert pasted not in refused.out + refused.err
        assert aws.operations == []

    def test_who_means_it_can_force_it(self, operator: Operator) -> None:
        """It is still named."""
        operator.write(SUPABASE_ALLOW_UNCONFIRMED="true")
        forced = operator.here("push", *TO, "--force-insecure")
        assert forced.code == 0
        assert "SUPABASE_ALLOW_UNCONFIRMED" in forced.err

    def test_the_shell_gives_nothing_unless_it_is_allowed(self, operator: Operator) -> None:
        """What a container would get must not depend on who pushes."""
        operator.write(REGION_NAME="$WHERE_I_AM")
        env = {"WHERE_I_AM": "at-home"}
        refused = operator.here("push", *TO, env=env)
        assert refused.code == 3
        assert "WHERE_I_AM" in refused.err
        assert operator.here("push", *TO, "--allow-shell", "WHERE_I_AM", env=env).code == 0
        assert operator.stored()["REGION_NAME"] == "at-home"


class TestPrune:
    """No task may be made that refers to a key which isn't there."""

    @pytest.fixture
    def leaving(self, aws: StrictAws, operator: Operator) -> Operator:
        """A running service refers to a key that has been taken out of the files, and another key has changed."""
        given_service(aws)
        operator.write(OF_OLD="x")
        assert operator.here("push", *TO, *SERVICE, *QUICK).code == 0
        keys = operator.folder / "services" / "keys.env"
        keys.write_text(keys.read_text().replace("OF_OLD=x\n", ""))
        operator.write(TRANSLATION_API_PASSWORD="another-password")
        aws.all_well()
        return operator

    def test_services_give_a_key_up_before_the_secret_loses_it(self, aws: StrictAws, leaving: Operator) -> None:
        """Two deployments, one version: in between, tasks of either revision can be made."""
        done = leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes")
        assert done.code == 0, done.err
        writing = [name for name in aws.operations if not name.startswith(("Describe", "Get", "List"))]
        assert writing == ["RegisterTaskDefinition", "UpdateService", "PutSecretValue", "UpdateService"]
        for running in aws.running("gateway"):
            assert "OF_OLD" not in running
            assert running["TRANSLATION_API_PASSWORD"] == "another-password"
        assert leaving.here("status", *TO, *SERVICE).code == 0

    def test_a_failed_deployment_leaves_the_secret_as_it_is(self, aws: StrictAws, leaving: Operator) -> None:
        """The revision that ECS goes back to still finds its key."""
        aws.roll_out("gateway", Step.ROLLED_BACK)
        failed = leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes", "--json")
        assert failed.code == 1
        assert "nothing was written" in failed.err
        assert failed.json["services"][0]["outcome"] == "failed"
        assert leaving.stored()["OF_OLD"] == "x"
        assert "PutSecretValue" not in aws.operations

    def test_cut_in_between_the_same_command_goes_on(self, aws: StrictAws, leaving: Operator) -> None:
        """What is deployed already isn't deployed without the key once more."""
        aws.fail("PutSecretValue", "AccessDeniedException", status=400)
        assert leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes").code == 4
        aws.all_well()
        assert leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes").code == 0
        writing = [name for name in aws.operations if not name.startswith(("Describe", "Get", "List"))]
        assert writing == ["PutSecretValue", "UpdateService"]

    def test_somebody_who_writes_in_between_is_not_written_over(self, aws: StrictAws, leaving: Operator) -> None:
        """The deployment takes minutes."""
        client = aws.client("secretsmanager")
        held = json.dumps(leaving.stored() | {"OF": "somebody else"})
        aws.meanwhile("UpdateService", lambda: client.put_secret_value(SecretId=SECRET, SecretString=held))
        assert leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes").code == 7
        assert leaving.stored()["OF"] == "somebody else"

    def test_it_has_to_be_followed(self, aws: StrictAws, leaving: Operator) -> None:
        """--no-wait can't be meant."""
        refused = leaving.here("push", *TO, *SERVICE, "--no-wait", "--prune", "--yes")
        assert refused.code == 2
        assert "OF_OLD" in refused.err
        assert all(name.startswith(("Describe", "Get", "List")) for name in aws.operations)

    def test_the_plan_says_so(self, leaving: Operator) -> None:
        """A dry run shows both deployments."""
        shown = leaving.here("push", *TO, *SERVICE, "--prune", "--dry-run")
        assert shown.code == 0
        assert "services are deployed twice: without OF_OLD" in shown.err

    def test_a_key_that_no_service_refers_to_just_goes(self, aws: StrictAws, leaving: Operator) -> None:
        """One deployment, since values have changed."""
        held = json.dumps({key: value for key, value in leaving.stored().items() if key != "OF_OLD"})
        aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=held)
        assert leaving.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
        aws.client("secretsmanager").put_secret_value(
            SecretId=SECRET, SecretString=json.dumps(leaving.stored() | {"NEVER_USED": "x"})
        )
        aws.all_well()
        assert leaving.here("push", *TO, *SERVICE, *QUICK, "--prune", "--yes").code == 0
        assert aws.operations.count("UpdateService") == 1


class TestRollback:
    """The way back."""

    def test_without_a_terminal_it_wants_to_be_confirmed(self, pushed: Operator) -> None:
        """Nothing has moved."""
        assert pushed.here("push", *TO, "--yes").code == 0
        assert pushed.here("rollback", *TO).code == 2
        assert pushed.stored()["TRANSLATION_API_PASSWORD"] == "another-password"

    def test_a_dry_run_shows_the_same_and_moves_nothing(self, aws: StrictAws, pushed: Operator) -> None:
        """By name."""
        assert pushed.here("push", *TO, "--yes").code == 0
        aws.all_well()
        shown = pushed.here("rollback", *TO, "--dry-run", "--json")
        assert shown.code == 0
        assert shown.json["changed"] == ["TRANSLATION_API_PASSWORD"]
        assert shown.json["version_id"] == shown.json["rolled_back_from"]
        assert set(aws.operations) == {"DescribeSecret", "GetSecretValue"}

    def test_to_a_version_by_its_id_twice_is_nothing_the_second_time(self, pushed: Operator) -> None:
        """So a rollback that was cut off can be finished."""
        first = pushed.state()["VersionIdsToStages"]
        [version] = first
        assert pushed.here("push", *TO, "--yes").code == 0
        done = pushed.here("rollback", *TO, "--to", version, "--yes", "--json")
        assert (done.code, done.json["version_id"]) == (0, version)
        again = pushed.here("rollback", *TO, "--to", version, "--yes")
        assert (again.code, "nothing to do" in again.err) == (0, True)
        assert pushed.state()["VersionIdsToStages"][version] == ["AWSCURRENT"]

    @pytest.mark.parametrize(
        ("arguments", "code"), [((), 6), (("--to", "b" * 36), 6), (("--to", "nonsense"), 2)], ids=str
    )
    def test_a_version_that_is_not_there(self, operator: Operator, arguments: tuple[str, ...], code: int) -> None:
        """After the first push there is none before; others are simply unknown, or no id."""
        assert operator.here("push", *TO).code == 0
        assert operator.here("rollback", *TO, *arguments, "--yes").code == code

    def test_a_secret_that_is_not_there(self, operator: Operator) -> None:
        """There is nothing to go back to."""
        assert operator.here("rollback", *TO, "--yes").code == 6

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_move_whose_answer_is_lost_is_finished_by_naming_the_version(
        self, aws: StrictAws, pushed: Operator, when: str
    ) -> None:
        """Without it, a second rollback would go forward again where the first was carried out."""
        [version] = pushed.state()["VersionIdsToStages"]
        assert pushed.here("push", *TO, "--yes").code == 0
        aws.cut("UpdateSecretVersionStage", when=when, times=100)
        cut = pushed.here("rollback", *TO, "--yes")
        assert cut.code == 5
        assert f"--to {version}" in cut.err
        aws.all_well()
        assert pushed.here("rollback", *TO, "--to", version, "--yes").code == 0
        assert pushed.state()["VersionIdsToStages"][version] == ["AWSCURRENT"]

    def test_a_cut_after_the_move_says_how_to_go_on(self, aws: StrictAws, pushed: Operator) -> None:
        """The version is named, and the same rollback by its id deploys what is left."""
        given_service(aws)
        assert pushed.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
        aws.fail("UpdateService", "AccessDeniedException", status=400, times=1)
        cut = pushed.here("rollback", *TO, *SERVICE, *QUICK, "--yes")
        assert cut.code == 4
        version = next(v for v, stages in pushed.state()["VersionIdsToStages"].items() if "AWSCURRENT" in stages)
        assert f"--to {version} goes on" in cut.err
        assert pushed.here("rollback", *TO, *SERVICE, *QUICK, "--to", version, "--yes").code == 0
        current = pushed.stored()["TRANSLATION_API_PASSWORD"]
        assert [each["TRANSLATION_API_PASSWORD"] for each in aws.running("gateway")] == [current] * 2


def test_a_log_that_takes_both_streams_keeps_their_order(operator: Operator) -> None:
    """`push 2>&1 | tee log`: the keys stand below the secret that they go to, and above what came of it."""
    both = subprocess.run(
        [*COMMAND, "secrets", "push", *TO],
        env=operator.environ,
        cwd=operator.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    ).stdout.decode()
    assert both.index("eu-west-1:") < both.index("added\t") < both.index("wrote version")
