from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.policy.facts import StsMode
from delivery.policy.mtasts import (
    Policy,
    PolicySyntaxError,
    matches_any,
    parse_policy,
    parse_record,
)


@pytest.mark.parametrize(
    ("texts", "policy_id"),
    [
        (["v=STSv1; id=20261120T000000"], "20261120T000000"),
        (["v=STSv1;id=1;"], "1"),
        (["v=STSv1 ; id=1 ; more=words_here ;"], "1"),
        (["v=STSv1;id=" + "a" * 32], "a" * 32),
        (["v=STSv1;later=1;id=2"], "2"),
        (["v=STSv1; id=first; id=second"], "first"),
        (["v=spf1 -all", "v=STSv1; id=1", "something else"], "1"),
        ([], None),
        (["v=STSv10; id=1"], None),
        (["v=stsv1; id=1"], None),
        (["id=1; v=STSv1"], None),
    ],
)
def test_record_announces_an_id(texts: list[str], policy_id: str | None):
    assert parse_record(texts) == policy_id


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["v=STSv1; id=1", "v=STSv1; id=2"], id="two records"),
        pytest.param(["v=STSv1"], id="nothing but the version"),
        pytest.param(["v=STSv1; other=1"], id="no id"),
        pytest.param(["v=STSv1; id=a-b"], id="id with a dash"),
        pytest.param(["v=STSv1; id=" + "a" * 33], id="id too long"),
        pytest.param(["v=STSv1; id=1; nonsense"], id="field without a value"),
        pytest.param(["v=STSv1; id=1; more="], id="field with an empty value"),
        pytest.param(["v=STSv1; id=1; more=words here"], id="value with a space"),
        pytest.param(["v=STSv1; id=1; more=a=b"], id="value with an equals sign"),
        pytest.param(["v=STSv1; id=1; -more=1"], id="field name that begins with a dash"),
        pytest.param(["v=STSv1; id = 1"], id="spaces around the equals sign"),
        pytest.param(["v=STSv1; ID=1"], id="id in capitals"),
        pytest.param(["v=STSv1; id=ärger"], id="id beyond ASCII"),
    ],
)
def test_damaged_record_is_an_error(texts: list[str]):
    with pytest.raises(PolicySyntaxError):
        parse_record(texts)


ENFORCE = (
    "version: STSv1\r\nmode: enforce\r\nmx: mx.sts.test\r\nmx: *.sts.test\r\nmax_age: 86400\r\n"
)


def test_policy_is_read():
    assert parse_policy(ENFORCE) == Policy(
        mode=StsMode.ENFORCE, mx=("mx.sts.test", "*.sts.test"), max_age=timedelta(days=1)
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ENFORCE.replace("\r\n", "\n"), id="LF"),
        pytest.param(ENFORCE.rstrip(), id="no end of last line"),
        pytest.param(ENFORCE + "\r\n\r\n", id="blank lines"),
        pytest.param(ENFORCE + "mode: none\r\nmax_age: 1\r\n", id="the first of each counts"),
        pytest.param(ENFORCE + "future: field\r\n", id="unknown field"),
        pytest.param(ENFORCE.replace("mx.sts", "MX.STS"), id="upper case"),
    ],
)
def test_policy_is_read_leniently_where_the_rfc_is_lenient(text: str):
    assert parse_policy(text) == parse_policy(ENFORCE)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("<html>not found</html>", id="HTML"),
        pytest.param(ENFORCE.replace("STSv1", "STSv2"), id="other version"),
        pytest.param(ENFORCE.replace("enforce", "strict"), id="unknown mode"),
        pytest.param(ENFORCE.replace("enforce", "absent"), id="a mode of our own"),
        pytest.param(ENFORCE.replace("mode: enforce\r\n", ""), id="no mode"),
        pytest.param(ENFORCE.replace("86400", "a day"), id="max_age not a number"),
        pytest.param(ENFORCE.replace("86400", "12345678901"), id="max_age too long"),
        pytest.param("version: STSv1\nmode: enforce\nmax_age: 1\n", id="no mx"),
        pytest.param(ENFORCE.replace("*.sts", "*.*.sts"), id="two stars"),
        pytest.param(ENFORCE.replace("*.sts", "m*.sts"), id="star within a label"),
        pytest.param(ENFORCE + "a line without a colon\r\n", id="no colon"),
        pytest.param(ENFORCE + "mx: \r\n", id="empty mx"),
        pytest.param(ENFORCE + "mx: *\r\n", id="a star alone"),
        pytest.param(ENFORCE + "mx: sts.*.test\r\n", id="star in the middle"),
        pytest.param(ENFORCE + "mx: mx.sts.test:25\r\n", id="mx with a port"),
        pytest.param(ENFORCE + f"mx: {'a' * 64}.test\r\n", id="label too long"),
        pytest.param(ENFORCE.replace("86400", "-1"), id="max_age below nothing"),
        pytest.param(ENFORCE.replace("max_age: 86400\r\n", ""), id="no max_age"),
        pytest.param(ENFORCE.replace("version: STSv1\r\n", ""), id="no version"),
    ],
)
def test_damaged_policy_is_an_error(text: str):
    with pytest.raises(PolicySyntaxError):
        parse_policy(text)


def test_policy_of_mode_none_needs_no_hosts():
    policy = parse_policy("version: STSv1\nmode: none\nmax_age: 86400\n")
    assert (policy.mode, policy.mx) == (StsMode.NONE, ())


def test_max_age_is_at_most_a_year():
    policy = parse_policy(ENFORCE.replace("86400", "9999999999"))
    assert policy.max_age == timedelta(seconds=31_557_600)


@pytest.mark.parametrize("seconds", [0, 86_399, 31_557_600])
def test_max_age_within_a_year_is_kept_as_it_is(seconds: int):
    policy = parse_policy(ENFORCE.replace("86400", str(seconds)))
    assert policy.max_age == timedelta(seconds=seconds)


def test_u_labels_in_a_policy_become_a_labels():
    policy = parse_policy(ENFORCE.replace("mx.sts", "mx.bücher"))
    assert policy.mx[0] == "mx.xn--bcher-kva.test"
    assert matches_any("mx.XN--bcher-KVA.test.", policy.mx)


@pytest.mark.parametrize(
    ("host", "pattern", "does"),
    [
        ("mx.sts.test", "mx.sts.test", True),
        ("MX.sts.TEST.", "mx.STS.test", True),
        ("mx.sts.test", "*.sts.test", True),
        ("sts.test", "*.sts.test", False),
        ("a.mx.sts.test", "*.sts.test", False),
        ("mx.sts.test.evil.test", "*.sts.test", False),
        ("mxsts.test", "*.sts.test", False),
        ("*.sts.test", "mx.sts.test", False),
        ("mx.xn--bcher-kva.test", "*.XN--BCHER-KVA.test", True),
        ("mx.xn--bcher-kva.test", "mx.xn--bcher-kvb.test", False),
        ("", "*.", False),
    ],
)
def test_pattern_names_hosts_one_label_deep(host: str, pattern: str, does: bool):
    assert matches_any(host, (pattern,)) is does


@given(st.text())
def test_any_text_is_a_policy_or_a_syntax_error(text: str):
    try:
        policy = parse_policy(text)
    except PolicySyntaxError:
        return
    assert policy.mode in (StsMode.NONE, StsMode.TESTING, StsMode.ENFORCE)


@given(st.text())
def test_any_text_is_a_record_no_record_or_a_syntax_error(text: str):
    try:
        found = parse_record([f"v=STSv1;{text}"])
    except PolicySyntaxError:
        return
    assert found is not None
    assert found.isalnum()


def test_policy_that_names_no_possible_host_is_no_policy():
    with pytest.raises(PolicySyntaxError, match="policy with the mx"):
        parse_policy(ENFORCE.replace("mx.sts", "mx.☕"))
