"""Writes golden.json: cases.json rendered with the templates that the models' authors published, by Jinja2.

Usage, in a folder where npm has @huggingface/ollama-utils: node published.mjs > published.json; golden.py CASES published.json ORACLE.py OUT
The entry qwen2.5 of published.json is the chat_template of Qwen2.5's tokenizer_config.json.
"""
import copy, json, subprocess, sys, tempfile

cases_file, published_file, oracle, out = sys.argv[1:]
cases = json.load(open(cases_file, encoding="utf-8"))
published = {t["name"]: t["source"] for t in json.load(open(published_file, encoding="utf-8"))}
models = {
    "internlm2": ("library/internlm2:1.8b", "<s>", "</s>", False), "llama2": ("library/llama2:7b", "<s>", "</s>", False),
    "llama3": ("library/llama3:8b", "<|begin_of_text|>", "<|eot_id|>", False),
    "llama3.1": ("library/llama3.1:8b", "<|begin_of_text|>", "<|eot_id|>", False),
    "qwen2": ("library/qwen2:0.5b", "", "<|im_end|>", False), "qwen2.5": ("qwen2.5", "", "<|im_end|>", False),
    "qwen3": ("library/qwen3:0.6b", "", "<|im_end|>", False), "gemma": ("library/gemma2:2b", "<bos>", "<eos>", False),
    "deepseek": ("library/deepseek-r1:latest", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", True),
    "chatml": ("library/dolphin-mixtral:8x7b", "", "<|im_end|>", False),
}

def render(source, contexts):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as jobs:
        json.dump({"templates": [source], "contexts": contexts}, jobs)
        jobs.flush()
        return json.loads(subprocess.run([sys.executable, oracle, jobs.name], capture_output=True, check=True).stdout)[0]

golden = {}
for name, (model, bos, eos, text_arguments) in models.items():
    source, rows = published[model], {}
    for empty in (None, ""):  # some templates want null beside a call, some an empty text
        kept = [c for c in cases if "tool_calls" in source or not ("tools" in c or any("tool_calls" in m for m in c["messages"]))]
        contexts = []
        for case in kept:
            c = copy.deepcopy(case)
            c.update(bos_token=bos, eos_token=eos, add_generation_prompt=c.pop("open"))
            for m in c["messages"]:
                if m["content"] is None:
                    m["content"] = empty
                for call in m.get("tool_calls", []):
                    f = call["function"]
                    f["arguments"] = f["arguments"] if text_arguments else json.loads(f["arguments"])
            contexts.append(c)
        for case, row in zip(kept, render(source, contexts)):
            if "text" in row:
                rows.setdefault(case["name"], row["text"])
    golden[name] = rows
json.dump(golden, open(out, "w", encoding="utf-8"), ensure_ascii=False, indent=1)
