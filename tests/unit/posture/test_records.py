from __future__ import annotations

from accounts.posture.records import check, records_for

RECORDS = records_for("mailweb.test", hostname="mail.mailweb.test")
PUBLISHED = {(each.name, each.kind): [each.value] for each in RECORDS if each.kind == "MX"}
for each in RECORDS:
    if each.kind == "TXT":
        PUBLISHED.setdefault((each.name, "TXT"), []).append(each.value)


def verdicts(**changes: list[str]) -> dict[str, tuple[bool, str]]:
    answers = dict(PUBLISHED)
    for key, values in changes.items():
        answers[{"mx": ("mailweb.test", "MX"), "txt": ("mailweb.test", "TXT")}[key]] = values
    found = check(RECORDS, lambda name, kind: answers.get((name, kind), []))
    return {each.record.mark.strip(): (each.will_do, each.sentence) for each in found}


def test_what_is_published_as_printed_will_do():
    assert set(verdicts().values()) == {(True, "Published.")}


def test_what_is_missing_is_named_with_the_line_to_publish():
    will_do, sentence = verdicts(txt=["something else"])["v=spf1"]
    assert not will_do
    assert 'TXT "v=spf1 a:mail.mailweb.test -all"' in sentence


def test_another_policy_of_the_same_kind_will_do():
    assert verdicts(txt=["v=spf1 mx ~all"])["v=spf1"] == (True, "Published as: v=spf1 mx ~all")


def test_two_spf_records_cancel_each_other():
    will_do, sentence = verdicts(txt=["v=spf1 mx -all", "v=spf1 a -all"])["v=spf1"]
    assert not will_do
    assert "There are 2 of them" in sentence


def test_mail_that_goes_elsewhere_is_noticed():
    assert not verdicts(mx=["10 mx.other.test."])["mail.mailweb.test."][0]
    assert verdicts(mx=["5 MAIL.mailweb.test.", "10 mx.other.test."])["mail.mailweb.test."][0]
