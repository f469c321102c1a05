"""The machines that a plan can be for: which is taken, and what is none."""

from typing import ClassVar

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_hardware
from fbnet.errors import InputError


class TestHardware:
    MACHINE: ClassVar[dict] = {
        "label": "a GPU",
        "bfloat16_tflops": 100,
        "float32_tflops": 50,
        "utilisation": 0.5,
        "memory_gib": 16,
        "dollars_an_hour": 1,
    }

    def write(self, **machines):
        paths.HARDWARE_FILE.write_text(yaml.safe_dump(machines, sort_keys=False))

    def test_the_first_is_the_default(self, project):
        assert load_hardware() == load_hardware("h100")
        self.write(mine=self.MACHINE, h100=dict(self.MACHINE))
        assert load_hardware().name == "mine"

    def test_its_peak_is_of_a_precision(self, project):
        self.write(mine=self.MACHINE)
        machine = load_hardware("mine")
        assert (machine.peak("bfloat16"), machine.peak("float32")) == (1e14, 5e13)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"utilisation": 0}, "mine.utilisation: must be greater than 0"),
            ({"utilisation": 1.01}, "mine.utilisation: must be less than or equal to 1"),
            ({"memory_gib": 0}, "mine.memory_gib: must be greater than 0"),
            ({"bfloat16_tflops": -1}, "mine.bfloat16_tflops: must be greater than 0"),
            ({"dollars_an_hour": 0}, "mine.dollars_an_hour: must be greater than 0"),
            ({"dollars_an_hour": "3"}, "mine.dollars_an_hour: must be of type float"),
            ({"cores": 2}, "mine.cores: unknown key; choose from"),
        ],
    )
    def test_what_no_machine_is_is_refused(self, project, change, message):
        self.write(mine=self.MACHINE | change)
        with pytest.raises(InputError, match=f"^params/hardware.yaml: {message}"):
            load_hardware()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{}", "must have at least 1 item"),
            ("mine: 3", "mine: must hold keys and values"),
            ("mine: {label: a GPU}", "mine.bfloat16_tflops: is missing"),
            ("../x: {}", "../x: must match pattern"),
            ("- 3", "must hold keys and values"),
        ],
    )
    def test_another_file_is_refused(self, project, content, message):
        paths.HARDWARE_FILE.write_text(content)
        with pytest.raises(InputError) as error:
            load_hardware()
        assert str(error.value).startswith(f"params/hardware.yaml: {message}")

    def test_an_unknown_name_lists_the_choices(self, project):
        with pytest.raises(InputError, match=r"no hardware 'tpu'; choose from h100, h200, a100, l40s$"):
            load_hardware("tpu")
