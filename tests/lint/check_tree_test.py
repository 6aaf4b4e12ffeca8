"""Shows that check_tree.py finds what it is there to find: each rule broken once in a small tree of its own."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).with_name("check_tree.py")


class CheckTree(unittest.TestCase):
    def check(self, files):
        """Runs the check on a tree of these files plus a faultless one; returns its exit status and output."""
        files = {"src/core/good.cc": '#include "core/good.h"\n#include <vector>\n', **files}
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                path = pathlib.Path(directory, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            run = subprocess.run([sys.executable, str(CHECK), directory], capture_output=True, text=True)
        return run.returncode, run.stdout

    def assert_found(self, name, text, line, words):
        status, output = self.check({name: text})
        self.assertEqual(status, 1, output)
        self.assertIn(f"{name}:{line}: ", output)
        self.assertIn(words, output)

    def assert_clean(self, name, text):
        status, output = self.check({name: text})
        self.assertEqual((status, output.strip()), (0, ""))

    def test_a_folder_may_use_what_is_above_it_itself_and_the_public_headers(self):
        self.assert_clean("src/agents/dqn.cc", '#include "agents/dqn.h"\n#include "core/a.h"\n#include "eaudeqn/error.h"\n')
        self.assert_clean("apps/eaudeqn/train.cc", '#include "experiment/a.h"\n')
        self.assert_clean("src/environments/atari.cc", "#include <ale/ale_interface.hpp>\n")
        self.assert_clean("src/environments/CMakeLists.txt", "eaudeqn_library(environments LINK eaudeqn_core eaudeqn::ale)\n")

    def test_an_include_up_the_list_is_found(self):
        self.assert_found("src/core/a.cc", '\n#include "engine/a.h"\n', 2, "core may use only")
        self.assert_found("src/population/a.h", '#include "environments/a.h"\n', 1, "population may use only")
        self.assert_found("src/population/a.h", '#include "agents/a.h"\n', 1, "population may use only")

    def test_deployed_code_is_free_of_the_trainer(self):
        for folder in ("environments", "replay", "sparsity", "population", "agents", "experiment"):
            self.assert_found("src/deploy/a.cc", f'# include "{folder}/a.h"\n', 1, "deploy may use only core, deploy, engine")
        self.assert_found("src/engine/a.cc", '#include "replay/a.h"\n', 1, "engine may use only")

    def test_only_environments_touch_a_simulator(self):
        self.assert_found("src/experiment/a.cc", "#include <ale/ale_interface.hpp>\n", 1, "simulator")
        self.assert_found("apps/eaudeqn/a.cc", '#include "mujoco/mujoco.h"\n', 1, "simulator")
        self.assert_found("src/agents/CMakeLists.txt", "target_link_libraries(x ale::ale-lib)\n", 1, "simulator")

    def test_a_link_up_the_list_is_found(self):
        self.assert_found("src/deploy/CMakeLists.txt", "LINK eaudeqn_core\neaudeqn_agents\n", 2, "eaudeqn_agents")

    def test_public_headers_are_free_of_private_ones(self):
        self.assert_found("include/eaudeqn/a.h", '#include "core/a.h"\n', 1, "include may use only public headers")

    def test_a_folder_without_a_layer_is_found(self):
        self.assert_found("src/other/a.h", "\n", 1, "no layer")

    def test_texts_that_must_not_be_there_are_found(self):
        self.assert_found("docs/a.md", "in /wo" "rk/main\n", 1, "machine")
        self.assert_found("src/core/a.cc", "// TO" "DO later\n", 1, "later")
        self.assert_found("src/core/a_test.cc", "TEST(A, DIS" "ABLED_b) {}\n", 1, "switched-off")
        self.assert_found("src/core/a_test.cc", "GTEST_" "SKIP();\n", 1, "switched-off")
        self.assert_found("CMakeLists.txt", "add_compile_options(-march=" "native)\n", 1, "one machine")

    def test_parts_of_other_words_are_no_finding(self):
        self.assert_clean("scripts/a.sh", "mktemp build.XXXXXX\ncd build/wo" "rk/x ${a}/wo" "rk/\n")

    def test_a_long_file_is_found_and_a_long_lock_file_is_not(self):
        self.assert_found("src/core/a.cc", "\n" * 501, 501, "501 lines")
        self.assert_clean("src/core/a.cc", "\n" * 500)
        self.assert_clean("tests/conformance/requirements.txt", "\n" * 3000)

    def test_an_empty_tree_is_not_a_clean_tree(self):
        with tempfile.TemporaryDirectory() as directory:
            run = subprocess.run([sys.executable, str(CHECK), directory], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("nothing was checked", run.stderr)


if __name__ == "__main__":
    unittest.main()
