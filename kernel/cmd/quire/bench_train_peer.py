# The peer of "quire bench train": the same decoder, or GPT-2's at the same sizes, in PyTorch on the CPU, bf16 autocast, AdamW.
# Arguments: threads, architecture (same or gpt), layers, hidden, heads, intermediate, vocabulary, rows, length, file of float32 weights ("" draws them).
# Each line of standard input holds rows*(length+1) ids; the answer is seconds of the step and its loss.
import math, sys, time
import numpy, torch
import torch.nn as nn, torch.nn.functional as F

threads, arch, layers, hidden, heads, inner, vocab, rows, length = int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:10])
path, head_dim = sys.argv[10], hidden // heads
torch.set_num_threads(threads)
torch.manual_seed(0)


class RMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Attention(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden, bias), nn.Linear(hidden, hidden, bias)

    def forward(self, x, rotate):
        b, t, c = x.shape
        q, k, v = [z.view(b, t, heads, head_dim).transpose(1, 2) for z in self.qkv(x).split(c, 2)]
        q, k = rotate(q), rotate(k)
        a = ((q @ k.transpose(-2, -1)) * (1 / math.sqrt(head_dim))).masked_fill(mask, float("-inf"))
        return self.out((F.softmax(a, -1) @ v).transpose(1, 2).contiguous().view(b, t, c))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.attn, self.n2 = RMSNorm(), Attention(False), RMSNorm()
        self.gate_up, self.down = nn.Linear(hidden, 2 * inner, False), nn.Linear(inner, hidden, False)

    def forward(self, x, rotate):
        x = x + self.attn(self.n1(x), rotate)
        g, u = self.gate_up(self.n2(x)).split(inner, 2)
        return x + self.down(F.silu(g) * u)


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.attn, self.n2 = nn.LayerNorm(hidden), Attention(True), nn.LayerNorm(hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)

    def forward(self, x, rotate):
        x = x + self.attn(self.n1(x), rotate)
        return x + self.down(F.gelu(self.up(self.n2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        same = arch == "same"
        self.embed = nn.Embedding(vocab, hidden)
        self.place = None if same else nn.Embedding(length, hidden)
        self.layers = nn.ModuleList([(Llama if same else GPT)() for _ in range(layers)])
        self.norm = RMSNorm() if same else nn.LayerNorm(hidden)

    def forward(self, ids, labels):
        x, rotate = self.embed(ids), turn
        if self.place is not None:
            x, rotate = x + self.place(torch.arange(length)), lambda z: z
        for layer in self.layers:
            x = layer(x, rotate)
        return F.cross_entropy(F.linear(self.norm(x), self.embed.weight).float().view(-1, vocab), labels.reshape(-1))


def turn(x):
    a, b = x.split(head_dim // 2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


angles = torch.outer(torch.arange(length).double(), 10000.0 ** (-torch.arange(0, head_dim, 2).double() / head_dim))
cos, sin = [torch.cat((f(angles), f(angles)), -1).to(torch.bfloat16) for f in (torch.cos, torch.sin)]
mask = torch.triu(torch.ones(length, length, dtype=torch.bool), 1)
model = Model()
nn.init.normal_(model.embed.weight, std=0.02)
if path:
    order = [model.embed.weight]
    for l in model.layers:
        order += [l.n1.weight, l.attn.qkv.weight, l.attn.out.weight, l.n2.weight, l.gate_up.weight, l.down.weight]
    with open(path, "rb") as f, torch.no_grad():
        for p in order + [model.norm.weight]:
            p.copy_(torch.from_numpy(numpy.fromfile(f, numpy.float32, p.numel())).view(p.shape))
matrices, vectors = [p for p in model.parameters() if p.dim() > 1], [p for p in model.parameters() if p.dim() == 1]
opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=3e-4, betas=(0.9, 0.95))
print("PyTorch", torch.__version__, "bf16 autocast,", torch.get_num_threads(), "threads, oneDNN", torch.backends.mkldnn.is_available(), flush=True)
for line in sys.stdin:
    ids = torch.tensor([int(i) for i in line.split()]).view(rows, length + 1)
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(ids[:, :-1], ids[:, 1:])
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    print(time.perf_counter() - start, loss.item(), flush=True)
