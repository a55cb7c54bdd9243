"""Answers for lib/token's tests: reads a request as JSON, writes ids and decoded texts by the sentencepiece library.

Request: {"train": options or null, "sentences": [...], "model": path, "texts": [base64], "time": bool}
Answer: {"model": base64, "ids": [[...]], "decoded": [base64], "seconds": float}
"""
import base64, io, json, sys, time
import sentencepiece as spm

req = json.load(sys.stdin)
if req.get("train"):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(req["sentences"]), model_writer=out, minloglevel=2, **req["train"])
    proto = out.getvalue()
else:
    proto = open(req["model"], "rb").read()
sp = spm.SentencePieceProcessor(model_proto=proto)
texts = [base64.b64decode(t) for t in req["texts"]]
if req.get("time"):
    sp.encode(texts[0].decode())
    texts = [t.decode() for t in texts]
    best = 1e9
    for _ in range(req["time"]):
        start = time.perf_counter()
        for t in texts:
            sp.encode(t)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"seconds": best}))
    sys.exit()
ids = [sp.encode(t) for t in texts]
decoded = [base64.b64encode(sp.decode(i).encode("utf-8", "surrogateescape")).decode() for i in ids]
print(json.dumps({"model": base64.b64encode(proto).decode(), "ids": ids, "decoded": decoded}))
