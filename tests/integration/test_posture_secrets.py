"""Reading the secrets that task definitions refer to, and who may fetch them."""

import json
from typing import Any

import pytest

from facts_support import allow, deny, given_role, given_secret, given_service, policy, read, referring, unread
from strict_aws import ACCOUNT, ROLE, StrictAws
from tickctl.core.audit.facts import Access, AccountFacts, SecretFacts, SecretVersionFacts
from tickctl.core.audit.port import Scope
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import Phase

GET = "secretsmanager:GetSecretValue"
ABSENT = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:nobody-AbCdEf"


def secret_of(facts: AccountFacts, arn: str) -> SecretFacts:
    """Return a secret that must have been read."""
    found = facts.secrets[arn]
    assert isinstance(found, SecretFacts)
    return found


def current(found: SecretFacts) -> SecretVersionFacts:
    """Return the current version, which must have been read."""
    version = found.version(stage=None, version_id=None)
    assert isinstance(version, SecretVersionFacts)
    return version


def access_of(aws: StrictAws, arn: str) -> Access:
    """Read the account and return the only answer about a secret."""
    [found] = read(aws).access
    assert (found.role, found.secret) == (ROLE, arn)
    return found


class TestSecrets:
    """What is there, and what it holds."""

    def test_a_secret_is_read_once_however_many_refer_to_it(self, aws: StrictAws) -> None:
        """With its keys; a value that is no string is kept as JSON writes it."""
        arn = given_secret(aws, KEY="hunter2", PORT=5432, ON=True)
        for name in ("gateway", "worker"):
            given_service(aws, name, document=referring(arn, "KEY", "PORT", name=name))
        found = secret_of(read(aws), arn)
        assert found.state.phase is Phase.LIVE
        assert found.state.changed_at is not None
        assert current(found).values == {"KEY": Secret("hunter2"), "PORT": Secret("5432"), "ON": Secret("true")}
        assert [aws.operations.count(name) for name in ("DescribeSecret", "GetSecretValue")] == [1, 1]

    def test_each_version_that_is_meant_is_read(self, aws: StrictAws) -> None:
        """By stage and by id; one that nobody keeps is known not to be there."""
        arn = given_secret(aws, OLD="1")
        store = aws.client("secretsmanager")
        old = store.describe_secret(SecretId=arn)["VersionIdsToStages"].popitem()[0]
        store.put_secret_value(SecretId=arn, SecretString='{"NEW": "2"}')
        gone = "11111111-2222-3333-4444-555555555555"
        keys = ("NEW", "OLD:AWSPREVIOUS:", f"A::{old}", f"B::{gone}", "C:nothing:")
        given_service(aws, document=referring(arn, *keys))
        found = secret_of(read(aws), arn)
        assert current(found).values == {"NEW": Secret("2")}
        previous = found.version(stage="AWSPREVIOUS", version_id=None)
        assert previous == found.version(stage=None, version_id=old) == SecretVersionFacts(old, {"OLD": Secret("1")})
        assert found.version(stage="AWSPREVIOUS", version_id=old) == previous
        assert found.version(stage="AWSCURRENT", version_id=old) is None
        assert found.version(stage=None, version_id=gone) is None
        assert found.version(stage="nothing", version_id=None) is None

    @pytest.mark.parametrize("text", ["plain", "[1]", "1", "{", "[" * 100_000])
    def test_a_text_that_is_no_object_has_no_keys(self, aws: StrictAws, text: str) -> None:
        """It can be referred to as a whole only."""
        aws.client("secretsmanager").create_secret(Name="plain", SecretString=text[:60_000])
        assert current(secret_of(read(aws, Scope(secrets=("plain",))), "plain")).values is None

    def test_bytes_have_no_keys(self, aws: StrictAws) -> None:
        """Nobody looks into them."""
        aws.client("secretsmanager").create_secret(Name="bytes", SecretBinary=b"hunter2")
        assert current(secret_of(read(aws, Scope(secrets=("bytes",))), "bytes")).values is None

    def test_absence_and_deletion_are_known(self, aws: StrictAws) -> None:
        """They are no failures to read, and whether a role may read them is no question."""
        arn = given_secret(aws, KEY="1")
        given_service(aws, "gone", document=referring(arn, "KEY", name="gone"))
        given_service(aws, "absent", document=referring(ABSENT, "KEY", name="absent"))
        aws.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)
        facts = read(aws)
        assert secret_of(facts, arn).state.phase is Phase.SCHEDULED_FOR_DELETION
        assert secret_of(facts, ABSENT).state.phase is Phase.ABSENT
        assert secret_of(facts, arn).versions == {}
        assert facts.access == ()
        assert "GetSecretValue" not in aws.operations

    def test_a_named_secret_is_read_though_nobody_refers_to_it(self, aws: StrictAws) -> None:
        """Under the name that was given."""
        arn = given_secret(aws, KEY="1")
        found = secret_of(read(aws, Scope(secrets=("gateway/production",))), "gateway/production")
        assert found.state.arn == arn
        assert current(found).values == {"KEY": Secret("1")}

    def test_a_secret_of_another_region_is_unread(self, aws: StrictAws) -> None:
        """It would be asked for in the wrong place."""
        arn = ABSENT.replace("eu-west-1", "us-east-1")
        given_role(aws)
        given_service(aws, document=referring(arn, "KEY"))
        facts = read(aws)
        assert "us-east-1" in unread(facts.secrets[arn]).reason
        assert [unread(one.allowed) for one in facts.access] == [facts.secrets[arn]]
        assert "DescribeSecret" not in aws.operations

    def test_a_parameter_is_no_secret(self, aws: StrictAws) -> None:
        """Systems Manager isn't asked."""
        given_service(aws, document=referring("parameter", "KEY"))
        facts = read(aws)
        assert (facts.secrets, facts.access) == ({}, ())

    def test_a_denied_description_leaves_all_unread(self, aws: StrictAws) -> None:
        """And so whether the role may read it."""
        arn = given_secret(aws, KEY="1")
        given_service(aws, document=referring(arn, "KEY"))
        aws.deny("secretsmanager:DescribeSecret")
        facts = read(aws)
        assert "secretsmanager:DescribeSecret" in unread(facts.secrets[arn]).reason
        assert unread(facts.access[0].allowed)

    def test_a_denied_value_leaves_the_state_readable(self, aws: StrictAws) -> None:
        """Freshness needs no value."""
        arn = given_secret(aws, KEY="hunter2")
        given_service(aws, document=referring(arn, "KEY"))
        aws.deny("secretsmanager:GetSecretValue")
        found = secret_of(read(aws), arn)
        assert found.state.changed_at is not None
        assert "GetSecretValue" in unread(found.version(stage=None, version_id=None)).reason


class TestAccess:
    """Whether the execution role may fetch the value."""

    @pytest.fixture
    def arn(self, aws: StrictAws) -> str:
        """A secret that a service refers to."""
        arn = given_secret(aws, KEY="hunter2")
        given_service(aws, document=referring(arn, "KEY"))
        return arn

    @pytest.fixture(params=["simulated", "read"])
    def way(self, request: pytest.FixtureRequest, aws: StrictAws) -> str:
        """Both ways to an answer: IAM's simulation, and the policies themselves."""
        if request.param == "read":
            aws.deny("iam:SimulatePrincipalPolicy")
        return str(request.param)

    @pytest.mark.usefixtures("way")
    @pytest.mark.parametrize(
        ("statements", "allowed", "why"),
        [
            ((allow(GET),), True, ""),
            ((allow("secretsmanager:Get*", "arn:aws:secretsmanager:*:secret:gateway/*"),), True, ""),
            ((allow(GET, "arn:aws:secretsmanager:*:secret:other/*"),), False, f"no policy allows {GET}"),
            ((), False, f"no policy allows {GET}"),
            ((allow(GET), deny("secretsmanager:*")), False, f"a policy of the role denies {GET}"),
        ],
    )
    def test_the_role_s_own_policy_decides(
        self, aws: StrictAws, arn: str, statements: tuple[dict[str, Any], ...], allowed: bool, why: str
    ) -> None:
        """Whichever way it is looked at."""
        given_role(aws, *statements)
        assert access_of(aws, arn) == Access(ROLE, arn, allowed, why)

    @pytest.mark.usefixtures("way")
    def test_a_missing_role_may_nothing(self, aws: StrictAws, arn: str) -> None:
        """That is known."""
        assert access_of(aws, arn) == Access(ROLE, arn, allowed=False, why="the role doesn't exist")

    @pytest.mark.usefixtures("way")
    def test_attached_policies_count_and_are_read_once(self, aws: StrictAws) -> None:
        """However many roles have them."""
        arn = given_secret(aws, KEY="1")
        made = aws.client("iam").create_policy(PolicyName="shared", PolicyDocument=policy(allow(GET)))["Policy"]["Arn"]
        for name in ("one", "two"):
            role = given_role(aws, name=name)
            aws.client("iam").attach_role_policy(RoleName=name, PolicyArn=made)
            given_service(aws, name, document=referring(arn, "KEY", name=name, role=role))
        assert [one.allowed for one in read(aws).access] == [True, True]
        assert aws.operations.count("GetPolicyVersion") <= 1

    def test_a_boundary_limits_what_policies_allow(self, aws: StrictAws, arn: str) -> None:
        """Where policies are read."""
        aws.deny("iam:SimulatePrincipalPolicy")
        given_role(aws, allow("*"))
        iam = aws.client("iam")
        made = iam.create_policy(PolicyName="limit", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
        iam.put_role_permissions_boundary(RoleName="gateway-execution", PermissionsBoundary=made)
        assert access_of(aws, arn).allowed is False
        iam.create_policy_version(PolicyArn=made, PolicyDocument=policy(allow(GET)), SetAsDefault=True)
        assert access_of(aws, arn).allowed is True
        aws.deny("iam:GetPolicy")
        assert "iam:GetPolicy" in unread(access_of(aws, arn).allowed).reason

    @pytest.mark.parametrize(
        "operation", ["GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies", "GetPolicyVersion"]
    )
    def test_without_either_way_it_cannot_be_told(self, aws: StrictAws, arn: str, operation: str) -> None:
        """One denied operation is enough: an unread policy might deny."""
        given_role(aws, allow(GET))
        iam = aws.client("iam")
        made = iam.create_policy(PolicyName="more", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="gateway-execution", PolicyArn=made)
        aws.deny("iam:SimulatePrincipalPolicy")
        assert access_of(aws, arn).allowed is True
        aws.deny(f"iam:{operation}")
        assert f"iam:{operation}" in unread(access_of(aws, arn).allowed).reason

    def test_a_role_of_the_same_name_elsewhere_is_another_one(self, aws: StrictAws) -> None:
        """Its policies say nothing of the role that is meant."""
        arn = given_secret(aws, KEY="1")
        role = "arn:aws:iam::999999999999:role/gateway-execution"
        given_role(aws, allow(GET))
        given_service(aws, document=referring(arn, "KEY", role=role))
        aws.deny("iam:SimulatePrincipalPolicy")
        [found] = read(aws).access
        assert "another account" in unread(found.allowed).reason

    @pytest.mark.parametrize(
        ("statement", "allowed"),
        [
            (deny(GET, Principal="*"), False),
            (deny(GET, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), False),
            (deny(GET, Principal="*", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}), None),
            (deny(GET, Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}), True),
            (allow(GET, Principal={"AWS": ROLE}), True),
        ],
    )
    def test_a_policy_on_the_secret_has_a_say(
        self, aws: StrictAws, arn: str, statement: dict[str, Any], allowed: bool | None
    ) -> None:
        """It may take away what the role's policies give; on what, can't always be told."""
        given_role(aws, allow(GET))
        aws.client("secretsmanager").put_resource_policy(SecretId=arn, ResourcePolicy=policy(statement))
        found = access_of(aws, arn)
        if allowed is None:
            assert "condition" in unread(found.allowed).reason
        else:
            assert found.allowed is allowed

    def test_a_policy_on_the_secret_may_be_enough(self, aws: StrictAws, arn: str) -> None:
        """If it names the role, and not only its account."""
        given_role(aws)
        store = aws.client("secretsmanager")
        account = allow(GET, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
        store.put_resource_policy(SecretId=arn, ResourcePolicy=policy(account))
        assert access_of(aws, arn).allowed is False
        store.put_resource_policy(SecretId=arn, ResourcePolicy=policy(allow(GET, Principal={"AWS": ROLE})))
        assert access_of(aws, arn).allowed is True

    def test_an_unread_policy_on_the_secret_might_deny(self, aws: StrictAws, arn: str) -> None:
        """What the role's policies deny is known all the same."""
        role = given_role(aws, allow(GET))
        aws.deny("secretsmanager:GetResourcePolicy")
        assert "GetResourcePolicy" in unread(access_of(aws, arn).allowed).reason
        aws.client("iam").put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=policy(deny(GET))
        )
        assert access_of(aws, arn).allowed is False


class TestKeys:
    """Secrets that a key of their own encrypts."""

    @pytest.fixture
    def key(self, aws: StrictAws) -> str:
        """The ARN of a key."""
        return str(aws.client("kms").create_key()["KeyMetadata"]["Arn"])

    @pytest.fixture(params=["arn", "id"])
    def arn(self, aws: StrictAws, key: str, request: pytest.FixtureRequest) -> str:
        """A secret with that key, which a service refers to."""
        named = key if request.param == "arn" else key.rpartition("/")[2]
        made = aws.client("secretsmanager").create_secret(Name="own", SecretString="{}", KmsKeyId=named)
        given_service(aws, document=referring(made["ARN"], "KEY"))
        return str(made["ARN"])

    @pytest.mark.parametrize(
        ("statements", "allowed"),
        [
            ((allow(GET), allow("kms:Decrypt")), True),
            ((allow(GET),), False),
            ((allow("kms:Decrypt"),), False),
            ((allow(GET), allow("kms:*"), deny("kms:Decrypt")), False),
        ],
    )
    def test_the_role_needs_the_key_as_well(
        self, aws: StrictAws, arn: str, statements: tuple[dict[str, Any], ...], allowed: bool
    ) -> None:
        """The key's usual policy leaves that to IAM."""
        given_role(aws, *statements)
        assert access_of(aws, arn).allowed is allowed

    def test_a_condition_on_the_way_holds(self, aws: StrictAws, arn: str) -> None:
        """Policies of `tickctl secrets policy` have it."""
        aws.deny("iam:SimulatePrincipalPolicy")
        via = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
        given_role(aws, allow(GET), allow("kms:Decrypt", Condition=via))
        assert access_of(aws, arn).allowed is True

    def test_the_key_s_policy_decides_whether_iam_counts(self, aws: StrictAws, arn: str, key: str) -> None:
        """A key that names only others is closed to the role."""
        given_role(aws, allow(GET), allow("kms:Decrypt"))
        others = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"})
        kms = aws.client("kms")
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(others))
        assert access_of(aws, arn).why == "no policy allows kms:Decrypt"
        named = allow("kms:Decrypt", Principal={"AWS": ROLE})
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(named))
        assert access_of(aws, arn).allowed is True

    def test_an_unread_key_policy_leaves_it_open(self, aws: StrictAws, arn: str) -> None:
        """Neither a yes nor a no."""
        given_role(aws, allow(GET), allow("kms:Decrypt"))
        aws.deny("kms:GetKeyPolicy")
        assert "kms:GetKeyPolicy" in unread(access_of(aws, arn).allowed).reason

    def test_an_alias_isn_t_followed(self, aws: StrictAws, key: str) -> None:
        """It may come to mean another key."""
        aws.client("kms").create_alias(AliasName="alias/own", TargetKeyId=key.rpartition("/")[2])
        given_role(aws, allow(GET), allow("kms:Decrypt"))
        made = aws.client("secretsmanager").create_secret(Name="own", SecretString="{}", KmsKeyId="alias/own")
        given_service(aws, document=referring(made["ARN"], "KEY"))
        assert "alias" in unread(access_of(aws, made["ARN"]).allowed).reason


def test_no_value_shows_in_what_was_read(aws: StrictAws) -> None:
    """However it is printed."""
    arn = given_secret(aws, KEY="hunter2")
    given_service(aws, document=referring(arn, "KEY"))
    facts = read(aws)
    assert secret_of(facts, arn).versions
    assert "hunter2" not in repr(facts) + json.dumps(str(facts))
