"""cluster.yaml and cluster/aws.yaml on AWS as moto imitates it: Ray's own launcher makes nodes, and we look at them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import moto.settings
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.tags import NODE_KIND_HEAD, NODE_KIND_WORKER, TAG_RAY_NODE_KIND, TAG_RAY_NODE_NAME

from tests.orchestrator.cluster.test_launch_files import text_of

pytestmark = pytest.mark.heavy

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "invented")
        for checked in ("AMI", "KEYPAIR"):
            patch.setattr(moto.settings, f"ENABLE_{checked}_VALIDATION", True)
        patch.setattr(moto.settings, "EC2_ENABLE_INSTANCE_TYPE_VALIDATION", True)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # Ray writes a new key to ~/.ssh
        yield


@pytest.fixture(scope="module")
def values(aws: None) -> dict[str, str]:
    """What a user fills in: the outputs of the stack, a region and an image."""
    formation = boto3.client("cloudformation", REGION)
    formation.create_stack(StackName="nemo", TemplateBody=text_of("cluster/aws.yaml"), Capabilities=["CAPABILITY_IAM"])
    stack = formation.describe_stacks(StackName="nemo")["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    image = boto3.client("ec2", REGION).describe_images()["Images"][0]["ImageId"]
    return {
        "REGION": REGION,
        "IMAGE": image,
        "HEAD-PROFILE": outputs["HeadProfile"],
        "WORKER-PROFILE": outputs["WorkerProfile"],
        "BUCKET": outputs["Bucket"],
    }


def filled(values: dict[str, str]) -> dict[str, Any]:
    text = re.sub(r"FILL-IN-([A-Z-]+)", lambda mark: values.get(mark[1], mark[0]), text_of("cluster.yaml"))
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def nodes(values: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A head and a worker, as `ray up` and the head's autoscaler make them: kind -> the instance."""
    config = bootstrap_aws(prepare_config(filled(values)))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    made = {}
    for name, kind in (("head", NODE_KIND_HEAD), ("gpu", NODE_KIND_WORKER)):
        tags = {TAG_RAY_NODE_KIND: kind, TAG_RAY_NODE_NAME: name}
        (number,) = provider.create_node(config["available_node_types"][name]["node_config"], tags, 1)
        found = boto3.client("ec2", REGION).describe_instances(InstanceIds=[number])
        made[name] = found["Reservations"][0]["Instances"][0]
    return made


def test_workers_are_spot_and_the_head_is_not(nodes: dict[str, dict[str, Any]]) -> None:
    assert nodes["gpu"]["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in nodes["head"]


def test_only_ssh_is_open_to_the_outside(nodes: dict[str, dict[str, Any]]) -> None:
    groups = {group["GroupId"] for node in nodes.values() for group in node["SecurityGroups"]}
    found = boto3.client("ec2", REGION).describe_security_groups(GroupIds=sorted(groups))["SecurityGroups"]
    assert [group["GroupName"] for group in found] == ["nemo"]
    rules = [rule for group in found for rule in group["IpPermissions"]]
    outside = [rule for rule in rules if rule["IpRanges"] or rule.get("Ipv6Ranges")]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in outside] == [("tcp", 22, 22)]
    inside = [pair["GroupId"] for rule in rules for pair in rule["UserIdGroupPairs"]]
    assert set(inside) == groups


def test_the_nodes_may_use_the_bucket_and_the_head_may_hand_that_on(
    nodes: dict[str, dict[str, Any]], values: dict[str, str]
) -> None:
    iam = boto3.client("iam")
    roles = {}
    for name, mark in (("head", "HEAD-PROFILE"), ("gpu", "WORKER-PROFILE")):
        profile = iam.get_instance_profile(InstanceProfileName=values[mark])["InstanceProfile"]
        assert nodes[name]["IamInstanceProfile"]["Arn"] == profile["Arn"]
        roles[name] = profile["Roles"][0]
        (policy,) = iam.list_attached_role_policies(RoleName=roles[name]["RoleName"])["AttachedPolicies"]
        document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
        arn = f"arn:aws:s3:::{values['BUCKET']}"
        assert [statement["Resource"] for statement in document["Statement"]] == [arn, f"{arn}/*"]
    scale = iam.get_role_policy(RoleName=roles["head"]["RoleName"], PolicyName="scale")["PolicyDocument"]
    statements = yaml.safe_load(str(scale))["Statement"]  # moto gives the text of it
    (passing,) = [each for each in statements if each["Action"] == "iam:PassRole"]
    assert passing["Resource"] == roles["gpu"]["Arn"]
    assert not iam.list_role_policies(RoleName=roles["gpu"]["RoleName"])["PolicyNames"]


@pytest.mark.parametrize("mark", ["IMAGE", "HEAD-PROFILE", "WORKER-PROFILE"])
def test_aws_refuses_what_is_not_filled_in(mark: str, values: dict[str, str], nodes: dict[str, Any]) -> None:
    config = filled({name: value for name, value in values.items() if name != mark})
    with pytest.raises(NodeLaunchException, match=f"FILL-IN-{mark}"):
        config = bootstrap_aws(prepare_config(config))
        provider = AWSNodeProvider(config["provider"], config["cluster_name"])
        for name in ("head", "gpu"):
            provider.create_node(config["available_node_types"][name]["node_config"], {TAG_RAY_NODE_NAME: name}, 1)


def test_the_region_that_is_not_filled_in_is_none(aws: None) -> None:
    regions = boto3.Session().get_available_regions("ec2")
    assert REGION in regions and "FILL-IN-REGION".lower() not in regions


def test_s3_refuses_the_bucket_that_is_not_filled_in(aws: None) -> None:
    with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError)):
        boto3.client("s3", REGION).list_objects_v2(Bucket="FILL-IN-BUCKET")
