"""A contrastive method with an auto-encoder, judged: the judge's job takes the auto-encoder that the maps were made with."""

import re

import pytest

from tests.workflow.conftest import TINY, Project


@pytest.mark.long
def test_the_judge_takes_the_autoencoder(fresh: Project) -> None:
    before = "methods: [integrated_gradients, guided_gradcam], class: all, shard: 3, integrated_gradients: {steps: 6}"
    contrastive = "pertinent_negative: {gamma: 0.5, autoencoder: pets}"
    fresh.edit(TINY, before, f"methods: [integrated_gradients, pertinent_negative], {contrastive}")
    fresh.edit(TINY, "methods: [gradcam, integrated_gradients]", "methods: [integrated_gradients, pertinent_negative]")
    printed = fresh.run("-n", "-p")
    wanted = {}
    for part in printed.split('python "$CONVSCOPE_SCRIPTS" judge ')[1:]:
        command = part.split("--log")[0]
        found = re.search(r"--method (.+?) --(?:method-settings|masks|parts|settings)", command)
        assert found
        wanted[found[1]] = "--autoencoder results/tiny/autoencoders/net.pets.keras" in command
    assert wanted["pertinent_negative"] and not wanted["integrated_gradients"]
    assert sum(wanted.values()) == 1
