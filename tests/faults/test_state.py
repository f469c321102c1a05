"""Two processes at one training: the resume state belongs to the one that claimed it last."""

from fbnet.training.resume import ResumeState


def test_a_training_that_was_taken_over_leaves_the_state_when_it_is_done(tmp_path):
    """Taken over after its last iteration, it still writes its results; the other one resumes from the state."""
    first, second = (ResumeState(tmp_path / "state", "this training", every=1) for _ in range(2))
    first.claim()
    first.save({"iteration": 6})
    second.claim()
    first.remove()
    assert second.load()["iteration"] == 6
    second.remove()
    assert not (tmp_path / "state").exists()
