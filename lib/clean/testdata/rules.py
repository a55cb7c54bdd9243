"""The Gopher, C4 and FineWeb rules over documents, one JSON string a line, in plain Python as datatrove writes them.

Prints the seconds for all documents and how many pass. A word is a run of word characters or one other character that is no
space, which is faster than the tokenizers that datatrove calls.
"""
import collections
import json
import re
import sys
import time

WORD = re.compile(r"\w+(?:['.\-]\w+)*|[^\w\s]")
SENTENCE = re.compile(r"[.!?。！？]+(?:\s|$)")
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
STOP = {"the", "be", "to", "of", "and", "that", "have", "with"}
POLICY = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]
END = (".", "?", "!", '"', "'")


def duplicates(parts):
    seen, count, chars = set(), 0, 0
    for p in parts:
        if p in seen:
            count, chars = count + 1, chars + len(p)
        seen.add(p)
    return count, chars


def top_gram(words, n):
    counts = collections.Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not counts:
        return 0
    gram, count = counts.most_common(1)[0]
    return len(gram) * count


def dup_gram(words, n):
    seen, chars, i = set(), 0, 0
    while i < len(words) - n + 1:
        gram = "".join(words[i : i + n])
        if gram in seen:
            chars, i = chars + len(gram), i + n
        else:
            seen.add(gram)
            i += 1
    return chars


def gopher(text, words):
    real = [w for w in words if any(c.isalnum() for c in w)]
    lines = text.splitlines()
    return (
        50 <= len(real) <= 100000
        and 3 <= sum(map(len, real)) / len(real) <= 10
        and text.count("#") / len(words) <= 0.1
        and (text.count("...") + text.count("…")) / len(words) <= 0.1
        and sum(l.lstrip().startswith(("•", "-")) for l in lines) / len(lines) <= 0.9
        and sum(l.rstrip().endswith(("...", "…")) for l in lines) / len(lines) <= 0.3
        and sum(any(c.isalpha() for c in w) for w in words) / len(words) >= 0.8
        and len(STOP.intersection(words)) >= 2
    )


def repetition(text, words):
    lines = [l for l in text.split("\n") if l.strip()]
    paragraphs = re.split(r"\n{2,}", text.strip())
    dl, dlc = duplicates(lines)
    dp, dpc = duplicates(paragraphs)
    ok = dl / len(lines) <= 0.3 and dp / len(paragraphs) <= 0.3 and dlc / len(text) <= 0.2 and dpc / len(text) <= 0.2
    for n, limit in (2, 0.20), (3, 0.18), (4, 0.16):
        ok &= top_gram(words, n) / len(text) <= limit
    for n, limit in (5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10):
        ok &= dup_gram(words, n) / len(text) <= limit
    return ok


def c4(text):
    sentences = 0
    for line in text.splitlines():
        line = CITATION.sub("", line.strip())
        low = line.lower()
        if "lorem ipsum" in low or "{" in line:
            return False
        if any(len(w) > 1000 for w in line.split()) or not line.endswith(END) or line.endswith("...") or len(line.split()) < 3:
            continue
        if "javascript" in low or any(p in low for p in POLICY):
            continue
        sentences += len(SENTENCE.findall(line))
    return sentences >= 5


def fineweb(text, words):
    lines = [l for l in text.split("\n") if l.strip()]
    return (
        sum(l.endswith(END) for l in lines) / len(lines) >= 0.12
        and sum(len(l) <= 30 for l in lines) / len(lines) <= 0.67
        and duplicates(lines)[1] / len(text.replace("\n", "")) <= 0.01
        and text.count("\n") / len(words) <= 0.3
    )


docs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
begin = time.perf_counter()
passed = 0
for doc in docs:
    tokens = WORD.findall(doc)
    verdicts = [gopher(doc, tokens), repetition(doc, tokens), c4(doc), fineweb(doc, tokens)]
    passed += all(verdicts)
print(json.dumps({"seconds": time.perf_counter() - begin, "passed": passed}))
