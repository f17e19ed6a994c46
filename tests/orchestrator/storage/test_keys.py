from orchestrator.storage.keys import content_key, keys_named

ONE, OTHER = content_key(1), content_key(2)


def test_a_key_is_named_by_itself_and_by_digits_that_no_other_begins_with() -> None:
    assert ONE[0] != OTHER[0]
    assert keys_named(ONE, [OTHER, ONE]) == keys_named(ONE[0], [OTHER, ONE]) == [ONE]


def test_digits_may_name_several_keys_or_none() -> None:
    assert keys_named("ab", ["abc", "abd", "b"]) == ["abc", "abd"]
    assert keys_named("ab", ["abc", "ab"]) == ["ab"]
    assert keys_named("", ["abc"]) == keys_named("x", ["abc"]) == []
