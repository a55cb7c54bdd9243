# Measures matrix products when asked. argv: threads. A question a line: "mm|linear M N K dtype"; an answer a line: seconds of a call.
import sys
import time
import torch

torch.set_num_threads(int(sys.argv[1]))
print("torch", torch.__version__, "mkldnn", torch.backends.mkldnn.is_available(), flush=True)
operands = {}
with torch.no_grad():
    for question in sys.stdin:
        op, m, n, k, kind = question.split()
        if question not in operands:
            operands.clear()
            dtype = getattr(torch, kind)
            x = torch.randn(int(m), int(k)).to(dtype)
            w = torch.randn(*((int(k), int(n)) if op == "mm" else (int(n), int(k)))).to(dtype)
            operands[question] = x, w
        x, w = operands[question]
        f = torch.mm if op == "mm" else torch.nn.functional.linear
        f(x, w)
        start, calls = time.perf_counter(), 0
        while calls == 0 or time.perf_counter() - start < 0.03:
            f(x, w)
            calls += 1
        print((time.perf_counter() - start) / calls, flush=True)
