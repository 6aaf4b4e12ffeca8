"""`eaudeqn export`: what is exported computes what `eaudeqn forward` computes, wherever it runs: C by two compilers and
on an emulated microcontroller, ONNX by onnxruntime, smaller policy files by the program itself and by Flax.

The bound is that of test_forward_flax.py: 1e-5 of the largest |output|. Policies have a full Atari network or a small
one; their few training steps make them sparse, which is all that matters here.
"""

import json
import re
import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from peers import flax_forward, read_policy
from program import CARTPOLE, HOPPER, ROOT, changed, eaudeqn, eaudeqn_json, one_line_error, train
from safetensors import safe_open

TOLERANCE = 1e-5
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
SHORT = ["--set", "training.steps=60", "--set", "training.initial_samples=40", "--set", "training.gradient_period=8",
         "--set", "training.target_update_period=20", "--set", "training.batch_size=8",
         "--set", "training.horizon=60", "--set", "replay.capacity=200", "--set", "evaluation.period=0",
         "--set", "evaluation.episodes=1", "--set", "checkpoint.period=0", "--seed", "3"]  # fmt: skip
STATIC = ["--algorithm", "staticdqn", *SHORT, "--set", "sparsity.distribution=uniform", "--set"]
POLICIES = {
    "nature": ["atari/Pong", *STATIC, "sparsity.final=0.95", "--set", "network.features=512"],
    "impala": ["atari/Pong", *STATIC, "sparsity.final=0.8", "--set", "network.features=32",
               "--set", "network.kind=impala"],  # fmt: skip
    "bytes": ["atari/Pong", *STATIC, "sparsity.final=0.1", "--set", "network.kind=mlp", "--set", "network.hidden=[4]"],
    "mlp": changed(CARTPOLE, training__steps=1500, evaluation__period=0, population__selection="random"),
    "sac": changed(HOPPER, training__steps=300, evaluation__period=0, checkpoint__period=0),
}
SPARSITIES = {"nature": 0.95, "impala": 0.8, "bytes": 0.1, "mlp": 0.05, "sac": 0.0}  # at least
FORMS = [(name, weights) for name in POLICIES for weights in ("f32", "int8")]


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """Trains each policy once: its file by name."""
    files = {}

    def file(name):
        if name not in files:
            run = tmp_path_factory.mktemp(name) / "run"
            train(POLICIES[name], run)
            files[name] = run / "policy.safetensors"
        return files[name]

    return file


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    """A .npy file by the policy's name: 1,000 real frames of Pong; vectors."""
    directory = tmp_path_factory.mktemp("observations")
    random = np.random.default_rng(7)
    np.save(directory / "actions.npy", random.integers(0, 6, 999).astype(np.int32))
    eaudeqn("trace", "atari/Pong", "--actions", directory / "actions.npy", "--seed", 5, "--output", directory / "pong")
    frames = np.load(directory / "pong" / "observations.npy")
    assert frames.shape == (1000, 84, 84, 4) and len(np.unique(frames[:, 40:60], axis=0)) > 500
    files = {name: directory / "pong" / "observations.npy" for name in ("nature", "bytes")}
    np.save(directory / "few.npy", frames[500:540])
    files["impala"] = directory / "few.npy"
    for name, size in (("mlp", 4), ("sac", 11)):
        files[name] = directory / f"{name}.npy"
        np.save(files[name], random.normal(0, 1, (1000, size)).astype(np.float32))
    return files


def export(file, output, output_format, *more):
    """The exported file's description."""
    return eaudeqn_json("export", file, "--format", output_format, "--output", output, "--json", *more)


def inspect(file):
    return eaudeqn_json("inspect", file, "--json")


@pytest.fixture(scope="module")
def reference(policy, observations, tmp_path_factory):
    """(policy file, outputs of `forward`) by name and weights; int8 is a policy file of its own."""
    known = {}

    def forward(name, weights):
        if (name, weights) not in known:
            directory = tmp_path_factory.mktemp(f"{name}_{weights}")
            file = directory / "exported.safetensors"
            # 8 bits depend on the observations that are given.
            export(policy(name), file, "safetensors", "--weights", weights, "--observations", observations[name])
            eaudeqn("forward", file, "--observations", observations[name], "--output", directory / "q.npy")
            known[name, weights] = file, np.load(directory / "q.npy")
            outputs = known[name, weights][1]
            assert outputs.std(axis=0).max() > 0.01 * np.abs(outputs).max() > 0, "what says nothing proves nothing"
        return known[name, weights]

    return forward


def assert_close(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)


def compiled(*arguments):
    """Compiles; warnings are errors where STRICT says so."""
    done = run(*arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr, done.stderr[-3000:]


# ---- C ----


@pytest.fixture(scope="module")
def header(policy, observations, tmp_path_factory):
    """A directory with policy.h and policy_main.c by name and weights."""
    made = {}

    def directory(name, weights):
        if (name, weights) not in made:
            made[name, weights] = tmp_path_factory.mktemp(f"c_{name}_{weights}")
            done = export(policy(name), made[name, weights] / "policy.h", "c", "--weights", weights,
                          "--observations", observations[name])  # fmt: skip
            assert [file.rsplit("/", 1)[1] for file in done["files"]] == ["policy.h", "policy_main.c"]
        return made[name, weights]

    return directory


def test_the_policies_are_sparse(policy):
    for name, least in SPARSITIES.items():
        assert inspect(policy(name))["sparsity"] >= least - 1e-3, name


@pytest.mark.parametrize("name, weights", FORMS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_equals_forward(name, weights, compiler, header, reference, observations, tmp_path):
    directory = header(name, weights)
    program = tmp_path / "policy"
    compiled(compiler, *STRICT, "-O2", directory / "policy_main.c", "-o", program, *(["-lm"] if name == "sac" else []))
    rows = np.load(observations[name])[::5]
    rows.tofile(tmp_path / "raw")
    done = run(program, tmp_path / "raw")
    assert done.returncode == 0, done.stdout[-1000:]
    first, *lines = done.stdout.splitlines()
    assert "self-test passed" in first
    numbers = np.array([line.split() for line in lines], np.float64)
    file, expected = reference(name, weights)
    width = expected.shape[1]
    assert len(numbers) == len(rows)
    outputs, actions = numbers[:, -width:], numbers[:, :-width]
    assert_close(outputs, expected[::5])
    if name == "sac":
        bounds = json.loads(read_policy(file).metadata["actions"])
        low, high = np.array(bounds["low"]), np.array(bounds["high"])
        mean = np.tanh(outputs[:, : width // 2])
        assert np.abs(actions - (low + (mean + 1) / 2 * (high - low))).max() < 1e-5
    else:
        assert (actions[:, 0] == outputs.argmax(axis=1)).all()


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_header_is_cpp_too(compiler, header, tmp_path):
    source = header("impala", "int8") / "policy_main.c"
    flags = ["-std=c++11" if word == "-std=c99" else word for word in STRICT]
    compiled(compiler, "-x", "c++", *flags, source, "-o", tmp_path / "policy")
    assert run(tmp_path / "policy").returncode == 0


def test_one_program_can_hold_two_policies(policy, tmp_path):
    export(policy("mlp"), tmp_path / "first.h", "c", "--prefix", "left")
    export(policy("mlp"), tmp_path / "second.h", "c", "--prefix", "right", "--weights", "int8")
    (tmp_path / "both.c").write_text(
        '#include "first.h"\n#include "second.h"\n'
        "int main(void) {\n  static left_workspace a;\n  static right_workspace b;\n"
        "  return left_self_test(&a) + 2 * right_self_test(&b);\n}\n"
    )
    compiled("gcc", *STRICT, tmp_path / "both.c", "-o", tmp_path / "both")
    assert run(tmp_path / "both").returncode == 0


def test_names_of_files_stand_in_the_program_as_they_are(policy, tmp_path):
    """@ is also the mark for the prefix in what the program is made of, and was replaced in the name too."""
    export(policy("mlp"), tmp_path / "pong@10M.h", "c")
    compiled("gcc", *STRICT, tmp_path / "pong@10M_main.c", "-o", tmp_path / "pong")
    assert run(tmp_path / "pong").returncode == 0


def test_the_self_test_finds_a_wrong_weight(header, tmp_path):
    """A negative control: the last bias of the network is another one."""
    directory = shutil.copytree(header("mlp", "int8"), tmp_path / "spoiled")
    text = (directory / "policy.h").read_text()
    spoiled = re.sub(r"(policy_dense3_biases\[2\] = \{\n)[^,]*", r"\g<1>-7.5f", text)
    assert spoiled != text
    (directory / "policy.h").write_text(spoiled)
    compiled("gcc", *STRICT, directory / "policy_main.c", "-o", tmp_path / "policy")
    done = run(tmp_path / "policy")
    assert done.returncode == 1 and "FAILED" in done.stdout


@pytest.mark.parametrize("name, weights", [("nature", "int8"), ("mlp", "f32"), ("sac", "int8")])
def test_macros_tell_the_memory_that_it_takes(name, weights, header, tmp_path):
    directory = header(name, weights)
    text = (directory / "policy.h").read_text()
    macros = dict(re.findall(r"#define POLICY_(\w+) (\S+)", text))
    compiled("gcc", "-std=c99", "-O0", "-c", directory / "policy_main.c", "-o", tmp_path / "policy.o")
    symbols = [line.split() for line in run("nm", "-S", "--defined-only", tmp_path / "policy.o").stdout.splitlines()]
    sizes = {words[3]: (words[2], int(words[1], 16)) for words in symbols if len(words) == 4}
    tables = {name: size for name, (kind, size) in sizes.items() if kind == "r" and "example" not in name}
    assert tables and sum(tables.values()) == int(macros["FLASH_BYTES"])
    workspaces = [size for name, (kind, size) in sizes.items() if kind == "b" and name.startswith("workspace")]
    assert workspaces == [int(macros["RAM_BYTES"])]
    assert re.fullmatch(r'"[0-9a-f]{16}"', macros["CONFIG_HASH"])


@pytest.mark.parametrize("name", ["impala", "sac"])
def test_c_calls_nothing_but_what_the_network_needs(name, header, tmp_path):
    """No allocation and no mathematics, but for the tanh of an actor's action. The two functions that fill and copy
    memory are those that any C compiler may call."""
    arguments = "workspace, observation, action" if name == "sac" else "workspace, observation"
    (tmp_path / "use.c").write_text(
        f'#include "{header(name, "f32") / "policy.h"}"\n'
        "int use(policy_workspace *workspace, const policy_input *observation, float *action);\n"
        "int use(policy_workspace *workspace, const policy_input *observation, float *action) {\n"
        f"  (void)action;\n  policy_act({arguments});\n  return policy_self_test(workspace);\n}}\n"
    )
    compiled("gcc", "-std=c99", "-O2", "-c", tmp_path / "use.c", "-o", tmp_path / "use.o")
    undefined = {line.split()[-1] for line in run("nm", "-u", tmp_path / "use.o").stdout.splitlines()}
    undefined -= {"memset", "memcpy", "memmove", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    assert undefined == ({"tanhf"} if name == "sac" else set())


@pytest.mark.parametrize("weights", ["f32", "int8"])
def test_c_runs_on_a_microcontroller(weights, header, reference, tmp_path):
    """A Cortex-M4 with 128 KB of flash and 16 KB of RAM, emulated, without an operating system or a C library."""
    board = ROOT / "tests" / "conformance" / "cortex_m"
    firmware = tmp_path / "firmware.elf"
    compiled("clang", "--target=thumbv7em-none-eabi", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard",
             *STRICT, "-Wno-shadow", "-O2", "-ffreestanding", "-fno-builtin", "-nostdlib", "-fuse-ld=lld",
             "-T", board / "memory.ld", "-I", header("mlp", weights), board / "startup.c", board / "main.c",
             "-o", firmware)  # fmt: skip
    done = run("qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
               "-semihosting-config", "enable=on,target=native", "-kernel", firmware)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    words = re.findall(r"^[0-9a-f]{8}$", done.stdout + done.stderr, re.MULTILINE)
    outputs = np.array([int(word, 16) for word in words], np.uint32).view(np.float32)
    _, expected = reference("mlp", weights)
    assert np.abs(outputs - expected[0]).max() <= TOLERANCE * np.abs(expected[0]).max()


# ---- ONNX ----


@pytest.mark.parametrize("name, weights", FORMS)
def test_onnx_equals_forward(name, weights, policy, reference, observations, tmp_path):
    export(policy(name), tmp_path / "policy.onnx", "onnx", "--weights", weights, "--observations", observations[name])
    model = onnx.load(tmp_path / "policy.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx", providers=["CPUExecutionProvider"])
    rows = np.load(observations[name])
    assert [(value.name, value.shape[1:]) for value in session.get_inputs()] == [("observation", list(rows.shape[1:]))]
    (outputs,) = session.run(["outputs"], {"observation": rows})
    file, expected = reference(name, weights)
    assert_close(outputs, expected)
    assert (outputs.argmax(axis=1) == expected.argmax(axis=1)).all()
    (single,) = session.run(["outputs"], {"observation": rows[:1]})
    assert_close(single, expected[:1])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["environment"] == read_policy(file).metadata["environment"]


def test_onnx_weights_are_those_of_the_policy(policy, reference, tmp_path):
    export(policy("nature"), tmp_path / "policy.onnx", "onnx")
    weights = {value.name: onnx.numpy_helper.to_array(value) for value in onnx.load(tmp_path / "policy.onnx").graph.initializer}
    for name, layer in read_policy(reference("nature", "f32")[0]).layers.items():
        assert (weights[f"{name}.weight"] == layer.weight).all() and (weights[f"{name}.bias"] == layer.bias).all()


# ---- Policy files ----


@pytest.mark.parametrize("name", POLICIES)
def test_units_that_nothing_reads_are_gone_and_nothing_else(name, policy, reference, observations, tmp_path):
    """The same outputs, and every row of a dense layer is read by the next one, unless it is the only one."""
    file, outputs = reference(name, "f32")
    eaudeqn("forward", policy(name), "--observations", observations[name], "--output", tmp_path / "q.npy")
    assert_close(outputs, np.load(tmp_path / "q.npy"))
    before, after = read_policy(policy(name)), read_policy(file)
    assert after.metadata["sparsity"] == before.metadata["sparsity"], "of the network as it was trained"
    dense = [layer.weight for layer_name, layer in after.layers.items() if layer_name.startswith("dense")]
    for weight in dense[1:]:
        assert weight.shape[1] == 1 or (weight != 0).any(axis=0).all()
    units_before, units_after = (sum(len(layer.bias) for layer in policy.layers.values()) for policy in (before, after))
    assert units_after < units_before if name == "nature" else units_after <= units_before
    rows = np.load(observations[name])[:40]
    assert_close(flax_forward(after, rows), outputs[:40])
    export(file, tmp_path / "again.safetensors", "safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_a_network_pruned_by_units_ships_as_a_smaller_dense_one(observations, tmp_path):
    train([*POLICIES["impala"][:1], "--algorithm", "polyprunedqn", *SHORT, "--set", "sparsity.granularity=unit",
           "--set", "sparsity.distribution=uniform", "--set", "sparsity.start=24", "--set", "sparsity.end=40",
           "--set", "sparsity.period=8", "--set", "sparsity.final=0.6", "--set", "network.kind=impala",
           "--set", "network.features=32"], tmp_path / "run")  # fmt: skip
    done = export(tmp_path / "run" / "policy.safetensors", tmp_path / "small.safetensors", "safetensors")
    assert done["units_removed"] > 0 and done["sparsity"] == 0
    before, after = read_policy(tmp_path / "run" / "policy.safetensors"), read_policy(tmp_path / "small.safetensors")
    assert float(before.metadata["sparsity"]) >= 0.6
    assert sum(layer.weight.size for layer in after.layers.values()) == sum(layer.active for layer in before.layers.values())
    rows = np.load(observations["impala"])
    assert_close(flax_forward(after, rows), flax_forward(before, rows))


def by_row(weight):
    return weight.astype(np.float64).reshape(len(weight), -1)


@pytest.mark.parametrize("name", ["nature", "mlp"])
def test_int8_weights_are_close_and_forward_equals_flax(name, policy, reference, observations, tmp_path):
    """Not further off than with the plainest scale, the largest weight / 127."""
    file = tmp_path / "plain.safetensors"
    export(policy(name), file, "safetensors", "--weights", "int8")
    before, after = read_policy(reference(name, "f32")[0]), read_policy(file)
    assert after.metadata["format_version"] == "2" and before.metadata["format_version"] == "1"
    for layer in before.layers:
        old, new = before.layers[layer], after.layers[layer]
        weight = by_row(old.weight)
        largest = np.abs(weight).max(axis=1, keepdims=True)
        plain = np.maximum(largest / 127, 1e-30)
        error, plain_error = by_row(new.weight) - weight, np.round(weight / plain) * plain - weight
        assert (np.abs(error) <= largest / 96 * 0.5001).all()
        assert ((error**2).sum(axis=1) <= 1.0001 * (plain_error**2).sum(axis=1) + 1e-12 * largest[:, 0] ** 2).all()
        assert old.active == new.active and old.compressed == new.compressed
        assert (new.bias == old.bias).all()
    for rounded, outputs in (file, forward(file, observations[name], tmp_path)), reference(name, "int8"):
        assert_close(outputs[:100], flax_forward(read_policy(rounded), np.load(observations[name])[:100]))


def forward(file, observations, tmp_path):
    eaudeqn("forward", file, "--observations", observations, "--output", tmp_path / "q.npy")
    return np.load(tmp_path / "q.npy")


def error_of_choices(outputs, wanted):
    """Of the differences between a row's outputs, which is what the choice depends on."""
    off = outputs.astype(np.float64) - wanted
    return np.sqrt(((off - off.mean(axis=1, keepdims=True)) ** 2).mean())


@pytest.mark.parametrize("name", ["nature", "mlp"])
def test_int8_fitted_to_observations_acts_more_like_the_policy(name, policy, reference, observations, tmp_path):
    """Also on those that were not given; the active weights and the last layer are the same."""
    rows = np.load(observations[name])
    given, others = tmp_path / "given.npy", tmp_path / "others.npy"
    np.save(given, rows[::2])
    np.save(others, rows[1::2])
    plain, fitted = tmp_path / "plain.safetensors", tmp_path / "fitted.safetensors"
    export(policy(name), plain, "safetensors", "--weights", "int8")
    export(policy(name), fitted, "safetensors", "--weights", "int8", "--observations", given, "--threads", 2)
    wanted = forward(policy(name), others, tmp_path)
    off, now = (error_of_choices(forward(file, others, tmp_path), wanted) for file in (plain, fitted))
    assert now < 0.5 * off
    before, after = read_policy(reference(name, "f32")[0]), read_policy(fitted)
    assert all(after.layers[layer].active == before.layers[layer].active for layer in before.layers)
    last = list(before.layers)[-1]
    assert (after.layers[last].weight == before.layers[last].weight).all()
    again = tmp_path / "again.safetensors"
    export(policy(name), again, "safetensors", "--weights", "int8", "--observations", given, "--threads", 1)
    assert again.read_bytes() == fitted.read_bytes(), "the same for any number of threads"


def test_the_documented_python_reads_int8_files(reference, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "policy_format.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    for weights in ("f32", "int8"):
        shutil.copy(reference("nature", weights)[0], tmp_path / "policy.safetensors")
        monkeypatch.chdir(tmp_path)
        found = {}
        exec(code.replace("print(", "found[name] = weight; print("), {"found": found})
        for name, layer in read_policy(tmp_path / "policy.safetensors").layers.items():
            assert (found[name] == layer.weight).all()


def test_int8_files_are_small_and_every_command_takes_them(policy, reference, observations, tmp_path):
    file, _ = reference("mlp", "int8")
    assert file.stat().st_size < 0.5 * policy("mlp").stat().st_size
    with safe_open(str(file), framework="numpy") as opened:
        assert any(name.endswith(".gaps") for name in opened.keys())
    before, after = inspect(reference("mlp", "f32")[0]), inspect(file)
    assert after["active"] == before["active"] and after["bytes"] == file.stat().st_size
    assert eaudeqn_json("evaluate", file, "--episodes", 2, "--json")["episodes"] == 2
    again = tmp_path / "again.safetensors"
    export(file, again, "safetensors")  # f32 means as they are, and they are int8
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["nature", "mlp"])
def test_agreement_is_counted(name, policy, reference, observations, tmp_path):
    done = export(policy(name), tmp_path / "p", "safetensors", "--weights", "int8", "--observations", observations[name])
    before, after = reference(name, "f32")[1], reference(name, "int8")[1]
    same = int((before.argmax(axis=1) == after.argmax(axis=1)).sum())
    assert done["check"]["same_actions"] == same and done["check"]["observations"] == len(before)
    assert done["check"]["largest_difference"] == pytest.approx(np.abs(before - after).max(), rel=1e-5)
    text = eaudeqn("export", policy(name), "--format", "safetensors", "--weights", "int8", "--output", tmp_path / "p",
                   "--observations", observations[name]).stdout  # fmt: skip
    assert f"{same} of {len(before)}" in text


# ---- Bad usage ----


def test_bad_usage_is_told_and_writes_nothing(policy, observations, tmp_path):
    file, output = policy("mlp"), tmp_path / "out.h"
    for arguments in (["--format", "pickle"], ["--format", "c", "--weights", "int4"], ["--format", "c", "--prefix", "9+"]):
        assert one_line_error(eaudeqn("export", file, *arguments, "--output", output, code=2))
    wrong = ["--format", "c", "--observations", observations["nature"], "--output", output]
    assert str(observations["nature"]) in one_line_error(eaudeqn("export", file, *wrong, code=1))
    missing = eaudeqn("export", file, "--format", "onnx", "--output", tmp_path / "no" / "x", code=1)
    assert "no" in one_line_error(missing)
    assert list(tmp_path.iterdir()) == []
