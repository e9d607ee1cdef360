"""`jissho parts` as an operator meets it."""

from tests.analytics.probe_batches import START_US, batch


def test_parts_are_refreshed_and_rebuilt(db, jissho):
    """A refresh computes what is new, a second one nothing, and a rebuild all of it with the profile's deadlines."""
    db.writer().commit([batch(1, [START_US + 1_000_000 * second for second in range(180)])])
    said = [jissho("parts", *words) for words in (["refresh"], ["refresh"], ["rebuild", "--profile", "remote_driving"])]

    assert [0, 0, 0] == [one.returncode for one in said], said
    assert ["4", "0", "4"] == [one.stdout.split()[1] for one in said]
    connection = db.connect()
    assert (4,) == connection.execute("SELECT count(*) FROM probe_part WHERE level = 0").fetchone()


def test_an_unknown_profile_is_named(jissho):
    """The error says which profiles there are, and nothing is computed."""
    outcome = jissho("parts", "refresh", "--profile", "nowhere")

    assert outcome.returncode == 2
    assert "nowhere" in outcome.stderr
