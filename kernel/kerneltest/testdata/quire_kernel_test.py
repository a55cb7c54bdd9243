"""The Jupyter project's test of kernels, for the kernel "quire"."""
import unittest

import jupyter_kernel_test


class QuireTests(jupyter_kernel_test.KernelTests):
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
