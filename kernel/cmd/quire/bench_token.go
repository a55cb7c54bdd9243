package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/token"
)

// benchTokenCmd measures encoding on one thread beside the library that the model comes from, in turns: sentencepiece for
// .model files, npm's tiktoken for .tiktoken files.
type benchTokenCmd struct {
	Models []string `short:"m" placeholder:"FILE" help:"Tokenizers: .model, .tiktoken, or any other without a peer; default: a SentencePiece model that is trained here."`
	Text   []string `short:"t" placeholder:"FILE" help:"Text files, one a language; default: comments of the Go source tree."`
	Rounds int      `default:"5" help:"Turns of each side; medians are printed."`
	Python string   `default:"/usr/bin/python3" help:"Interpreter that has sentencepiece; empty for no peer."`
	NPM    string   `placeholder:"DIR" help:"Folder where npm has installed tiktoken; without it, tiktoken models have no peer."`
	record record
}

// docBytes is the least size of a document: long enough that a peer's cost of being called does not count.
const docBytes = 20_000

// columnBytes is the least size of a column: long enough that starting threads does not count.
const columnBytes = 24 << 20

// Run prints one line for each model and text.
func (c benchTokenCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "quire-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := c.defaults(ctx, dir); err != nil {
		return err
	}
	fmt.Printf("%-26s %-14s %9s %9s %7s %5s %9s %9s %8s %7s\n", "model", "text", "MB/s", "peer", "ratio", "ids", "2 threads", "speed-up", "decode", "allocs")
	for _, model := range c.Models {
		t, err := token.Load(model)
		if err != nil {
			return err
		}
		for _, path := range c.Text {
			if err := ctx.Err(); err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("bench token: %w", err)
			}
			b := tokenBench{c: c, t: t, model: model, docs: cutDocs(string(data))}
			if err := b.run(ctx, filepath.Base(path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// defaults writes the text and the tokenizer that were not named to dir.
func (c *benchTokenCmd) defaults(ctx context.Context, dir string) error {
	if len(c.Models) > 0 && len(c.Text) > 0 {
		return nil
	}
	goroot := corpusBench{texts: map[string][]string{}}
	if err := goroot.read(ctx); err != nil {
		return err
	}
	texts := goroot.texts["prose"]
	if len(c.Text) == 0 {
		c.Text = []string{filepath.Join(dir, "go.txt")}
		if err := os.WriteFile(c.Text[0], []byte(strings.Join(texts[:len(texts)/4], "\n")), 0o600); err != nil {
			return err
		}
	}
	if len(c.Models) == 0 {
		t, err := token.TrainBPE(ctx, slices.Values(texts), token.TrainConfig{VocabSize: 8000})
		if err != nil {
			return err
		}
		c.Models = []string{filepath.Join(dir, "go-8000.model")}
		return t.WriteModel(c.Models[0])
	}
	return nil
}

// cutDocs cuts text at line ends.
func cutDocs(text string) (docs []string) {
	text = strings.ToValidUTF8(text, "")
	for len(text) > docBytes {
		k := strings.IndexByte(text[docBytes:], '\n')
		if k < 0 {
			break
		}
		docs = append(docs, text[:docBytes+k+1])
		text = text[docBytes+k+1:]
	}
	return append(docs, text)
}

// tokenBench is one model on one text.
type tokenBench struct {
	c     benchTokenCmd
	t     *token.Tokenizer
	model string
	docs  []string
}

func (b *tokenBench) run(ctx context.Context, name string) error {
	size := 0
	for _, d := range b.docs {
		size += len(d)
	}
	mbs := func(d time.Duration) float64 { return float64(size) / d.Seconds() / 1e6 }
	one, peer, equal, err := b.encode(ctx)
	if err != nil {
		return err
	}
	single, double, err := b.threads(ctx)
	if err != nil {
		return err
	}
	decode, err := b.decode()
	if err != nil {
		return err
	}
	allocs := testing.AllocsPerRun(10, func() { _, err = b.t.Encode(b.docs[0], token.Options{}) })
	theirs, ratio, other := "-", "-", ""
	times := float64(peer) / float64(one)
	if peer > 0 {
		theirs, ratio = fmt.Sprintf("%.2f", mbs(peer)), fmt.Sprintf("%.1f", times)
		other = theirs + " MB/s " + b.peerName()
	}
	b.c.record.add(fmt.Sprintf("tokens: %s, %s, 1 thread", filepath.Base(b.model), name), fmt.Sprintf("%.1f MB/s", mbs(one)), other, times)
	fmt.Printf("%-26s %-14s %9.1f %9s %7s %5s %9.1f %9.2f %8.0f %7.0f\n", filepath.Base(b.model), name, mbs(one), theirs, ratio, equal,
		mbs(double), float64(single)/float64(double), mbs(decode), allocs)
	return err
}

// encode takes turns with the peer, one thread each, and compares ids.
func (b *tokenBench) encode(ctx context.Context) (one, peer time.Duration, equal string, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var mine, theirs []time.Duration
	ids := make([][]uint32, len(b.docs))
	equal = "-"
	for round := range b.c.Rounds {
		start := time.Now()
		for i, d := range b.docs {
			if ids[i], err = b.t.Encode(d, token.Options{}); err != nil {
				return 0, 0, "", err
			}
		}
		mine = append(mine, time.Since(start))
		ans, ok, err := b.ask(ctx, round == 0)
		if err != nil {
			return 0, 0, "", err
		}
		if ok {
			theirs = append(theirs, time.Duration(ans.Seconds*1e9))
		}
		if ok && round == 0 {
			equal = "equal"
			if !slices.EqualFunc(ids, ans.IDs, slices.Equal) {
				equal = "DIFFER"
			}
		}
	}
	return median(mine), median(theirs), equal, nil
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// threads encodes a column, several times as large as the text, on one thread and on two.
func (b *tokenBench) threads(ctx context.Context) (single, double time.Duration, err error) {
	size := 0
	for _, d := range b.docs {
		size += len(d)
	}
	copies := columnBytes/size + 1
	builder := array.NewStringBuilder(memory.DefaultAllocator)
	defer builder.Release()
	for range copies {
		builder.AppendValues(b.docs, nil)
	}
	col := builder.NewStringArray()
	defer col.Release()
	var times [2][]time.Duration
	for range b.c.Rounds + 1 { // the first round fills the caches
		for n := range times {
			before := runtime.GOMAXPROCS(n + 1)
			start := time.Now()
			out, err := b.t.EncodeColumn(ctx, col, token.Options{})
			took := time.Since(start)
			runtime.GOMAXPROCS(before)
			if err != nil {
				return 0, 0, err
			}
			out.Release()
			times[n] = append(times[n], took/time.Duration(copies))
		}
	}
	return median(times[0]), median(times[1]), nil
}

func (b *tokenBench) decode() (time.Duration, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ids := make([][]uint32, len(b.docs))
	for i, d := range b.docs {
		var err error
		if ids[i], err = b.t.Encode(d, token.Options{}); err != nil {
			return 0, err
		}
	}
	var times []time.Duration
	for range b.c.Rounds {
		start := time.Now()
		for _, x := range ids {
			b.t.Decode(x)
		}
		times = append(times, time.Since(start))
	}
	return median(times), nil
}

// The peers read a request from standard input, encode all documents once to warm up, then once more by the clock.
const (
	sentencePiecePeer = `import json,sys,time,sentencepiece
q=json.load(sys.stdin);sp=sentencepiece.SentencePieceProcessor(model_file=q["model"])
ids=[sp.encode(d) for d in q["docs"]]
t=time.perf_counter()
for d in q["docs"]: sp.encode(d)
t=time.perf_counter()-t
print(json.dumps({"seconds":t,"ids":ids if q["ids"] else []}))`
	tiktokenPeer = `const q=JSON.parse(require('fs').readFileSync(0,'utf8'));const e=require(q.dir+'/node_modules/tiktoken').get_encoding(q.model);
const ids=q.docs.map(d=>Array.from(e.encode(d,[],[])));const s=process.hrtime.bigint();for(const d of q.docs)e.encode(d,[],[]);
console.log(JSON.stringify({seconds:Number(process.hrtime.bigint()-s)/1e9,ids:q.ids?ids:[]}))`
)

// peerName is whom ask asks.
func (b *tokenBench) peerName() string {
	return map[string]string{".model": "sentencepiece", ".tiktoken": "tiktoken"}[filepath.Ext(b.model)]
}

type tokenPeerAnswer struct {
	Seconds float64    `json:"seconds"`
	IDs     [][]uint32 `json:"ids"`
}

// ask runs the peer of the model, if it has one.
func (b *tokenBench) ask(ctx context.Context, ids bool) (ans tokenPeerAnswer, ok bool, err error) {
	req := map[string]any{"model": b.model, "docs": b.docs, "ids": ids, "dir": b.c.NPM}
	var cmd *exec.Cmd
	switch ext := filepath.Ext(b.model); {
	case ext == ".model" && b.c.Python != "":
		cmd = exec.CommandContext(ctx, b.c.Python, "-c", sentencePiecePeer)
	case ext == ".tiktoken" && b.c.NPM != "":
		req["model"] = strings.TrimSuffix(filepath.Base(b.model), ext)
		cmd = exec.CommandContext(ctx, "node", "-e", tiktokenPeer)
	default:
		return ans, false, nil
	}
	in, err := json.Marshal(req)
	if err != nil {
		return ans, false, err
	}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %.300s", err, exit.Stderr)
		}
		return ans, false, fmt.Errorf("bench token: the peer of %s: %w", b.model, err)
	}
	return ans, true, json.Unmarshal(out, &ans)
}
