"""The Jupyter project's test of kernels, for the kernel "quire".

The tests are as they come; only their patience is greater. They wait 0.1 s for a message on iopub and take any that comes for one of
their own request, which a busy machine does not keep.
"""
import inspect
import unittest

import jupyter_kernel_test


LIMIT = 120  # seconds


class QuireTests(jupyter_kernel_test.KernelTests):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        kc = cls.kc
        execute, shell, iopub = kc.execute, kc.get_shell_msg, kc.iopub_channel.get_msg
        current = None

        def execute_and_note(*args, **kwargs):
            nonlocal current
            current = execute(*args, **kwargs)
            return current

        async def of_current(timeout=None):
            while True:
                message = iopub(timeout=LIMIT)
                if inspect.isawaitable(message):
                    message = await message
                if message["parent_header"].get("msg_id") == current:
                    return message

        kc.execute = execute_and_note
        kc.iopub_channel.get_msg = of_current
        kc.get_shell_msg = lambda timeout=None: shell(timeout=LIMIT)

    def flush_channels(self):
        request = self.kc.kernel_info()
        while self.kc.get_shell_msg()["parent_header"].get("msg_id") != request:
            pass

    kernel_name = "quire"
    language_name = "go"
    file_extension = ".go"
    code_hello_world = 'fmt.Println("hello, world")'
    code_stderr = 'fmt.Fprintln(os.Stderr, "oops")'
    completion_samples = [
        {"text": "fmt.Fprintl", "matches": {"Fprintln"}},
        {"text": "strings.ToUpp", "matches": {"ToUpper", "ToUpperSpecial"}},
    ]
    complete_code_samples = ["x := 1", "func f() int {\n\treturn 1\n}", "// a comment"]
    incomplete_code_samples = ["func f() {", "x := []int{1,", "s := `raw"]
    invalid_code_samples = ["x := )", "func 1() {}"]
    code_page_something = "?fmt.Println"
    code_generate_error = 'panic("error")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"a" + "b"', "result": "ab"},
        {"code": "[]int{1, 2, 3}", "result": "[1 2 3]"},
    ]
    code_display_data = [
        {"code": "show.Display(image.NewGray(image.Rect(0, 0, 2, 2)))", "mime": "image/png"},
    ]
    code_history_pattern = "6 [*] 7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "fmt.Println"
    code_clear_output = "show.Clear(false)"


if __name__ == "__main__":
    unittest.main()
