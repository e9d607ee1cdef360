"""Recordings of probes by chance, for properties that hold of any."""

from hypothesis import strategies as st

from tests.analytics.making import T0_US, columns


@st.composite
def recordings(draw):
    """Rows of one link: sessions one after another, numbers that grow with time, anything else by chance."""
    rows, t_us, session = [], T0_US, 1
    last_seq = {1: draw(st.integers(0, 3))}
    for _ in range(draw(st.integers(0, 40))):
        step = draw(st.sampled_from(["next"] * 12 + ["absent", "together", "pause", "session", "return"]))
        t_us += {"together": 0, "pause": draw(st.sampled_from([5_000_000, 5_000_001, 60_000_000]))}.get(
            step, draw(st.sampled_from([10_000, 10_000, 10_000, 9_000, 200_000, 1_000_000]))
        )
        if step == "session":
            session = max(last_seq) + 1
        if step == "return":
            # An earlier sender goes on where it was.
            session = draw(st.sampled_from(sorted(last_seq)))
        seq = last_seq.get(session, draw(st.integers(-1, 2))) + 1 + (draw(st.integers(1, 3)) if step == "absent" else 0)
        last_seq[session] = seq
        lost = draw(st.sampled_from([0, 0, 0, 1, 2, 3, 3]))
        row = {"t_us": t_us, "session": session, "seq": seq, "lost": lost, "copy": int(lost == 0)}
        if lost == 0:
            delay = st.one_of(st.none(), st.integers(-2_000, 60_000), st.integers(0, 2_000_000_000))
            row |= {"ul_us": draw(delay), "dl_us": draw(delay)}
            row["rtt_us"] = draw(st.one_of(st.none(), st.integers(0, 60_000), st.integers(0, 2_000_000_000)))
            row["refl_seq"] = draw(st.one_of(st.none(), st.just(seq), st.integers(0, 60)))
        rows.append(row)
        if lost == 0 and draw(st.integers(0, 9)) == 0:
            rows.append({**row, "copy": 2})
        if draw(st.integers(0, 19)) == 0:
            rows.append(row)
    cuts = draw(st.lists(st.integers(T0_US - 10, t_us + 10), max_size=8))
    places = [row["t_us"] for row in rows]
    cuts += draw(st.lists(st.sampled_from(places), max_size=8)) if places else []
    return columns(rows), sorted({T0_US - 20, *cuts, t_us + 20})
