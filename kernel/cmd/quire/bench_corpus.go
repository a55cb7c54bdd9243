package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/datasets/gosrc"
	"quire/lib/clean"
	"quire/lib/clean/fasttext"
	"quire/lib/corpus"
	"quire/lib/dedup"
)

// benchCorpusCmd measures reading, cleaning and deduplication on the toolchain's own source tree: no network, no other data.
type benchCorpusCmd struct {
	Rounds int    `default:"5" help:"Measurements of each line; medians are printed. A core's rates are by processor time."`
	Lid    string `placeholder:"FILE" help:"fastText language model (lid.176.ftz): measured beside the built-in classifier."`
	Rules  string `placeholder:"FILE" help:"lib/clean/testdata/rules.py of the source tree, the rules in plain Python: measured as their peer."`
	Python string `default:"python3" help:"Interpreter for --rules."`
	record record
}

// corpusBench is one run.
type corpusBench struct {
	benchCorpusCmd
	dir   string
	texts map[string][]string // documents of about 4,000 bytes, by kind
}

// Run prints a line for each bar.
func (c benchCorpusCmd) Run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "quire-bench-*")
	if err != nil {
		return err
	}
	b := &corpusBench{benchCorpusCmd: c, dir: dir, texts: map[string][]string{}}
	err = b.read(ctx)
	fmt.Printf("%-44s %14s  %-16s %s\n", "what", "measured", "bar", "verdict")
	for _, step := range []func(context.Context) error{b.open, b.jsonl, b.rules, b.python, b.signatures, b.exact, b.language, b.explore} {
		if err == nil {
			err = step(ctx)
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	if err == nil {
		fmt.Println("article extraction, accuracy of languages: go test -v -run 'Article|Languages' ./lib/clean/..., with their data beside the source tree")
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// line prints one bar. least is a lower bound, most an upper one; 0 for none.
func (b *corpusBench) line(what string, value float64, unit string, least, most float64) {
	bar, verdict := "", ""
	switch {
	case least > 0:
		bar, verdict = fmt.Sprintf("≥ %g %s", least, unit), "met"
	case most > 0:
		bar, verdict = fmt.Sprintf("≤ %g %s", most, unit), "met"
	}
	if least > 0 && value < least || most > 0 && value > most {
		verdict = "MISSED"
	}
	figure := fmt.Sprintf("%.4g %s", value, unit)
	fmt.Printf("%-44s %14s  %-16s %s\n", what, figure, bar, verdict)
	if unit == "×" {
		b.record.add(what, "", "plain Python", value)
	} else {
		b.record.add(strings.TrimSpace(what), figure, "", 0)
	}
}

// seconds returns the median time of f, which is called once before.
func (b *corpusBench) seconds(f func() error) (float64, error) {
	return b.measure(f, func() time.Duration { return time.Duration(time.Now().UnixNano()) })
}

// oneCore returns the median processor time of f on one core, which does not count what other programs take.
func (b *corpusBench) oneCore(f func() error) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return b.measure(f, func() time.Duration {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	})
}

func (b *corpusBench) measure(f func() error, clock func() time.Duration) (float64, error) {
	var times []time.Duration
	for round := range b.Rounds + 1 {
		runtime.GC()
		start := clock()
		if err := f(); err != nil {
			return 0, err
		}
		if round > 0 {
			times = append(times, clock()-start)
		}
	}
	return median(times).Seconds(), nil
}

// read takes 8 MB of prose and of code from the source tree.
func (b *corpusBench) read(ctx context.Context) error {
	const enough, size = 8 << 20, 4000
	total := map[string]int{}
	for d, err := range gosrc.Documents(ctx, "") {
		if err != nil {
			return err
		}
		var meta struct{ Kind string }
		if err := json.Unmarshal([]byte(d.Meta), &meta); err != nil {
			return err
		}
		kind := map[string]string{gosrc.Code: "code", gosrc.Comment: "prose", gosrc.Prose: "prose"}[meta.Kind]
		for text := d.Text; kind != "" && len(text) > size && total[kind] < enough; text = text[size:] {
			b.texts[kind] = append(b.texts[kind], strings.ToValidUTF8(text[:size], ""))
			total[kind] += size
		}
		if total["code"] >= enough && total["prose"] >= enough {
			break
		}
	}
	return nil
}

func bytesOf(texts []string) (n float64) {
	for _, t := range texts {
		n += float64(len(t))
	}
	return n
}

// sparse leaves holes in a file where zeros would be written.
type sparse struct {
	*os.File
}

var zeros = make([]byte, 1<<20)

func (s sparse) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part := rest[:min(len(rest), len(zeros))]
		rest = rest[len(part):]
		if _, err := s.File.Seek(0, io.SeekCurrent); err != nil {
			return 0, err
		}
		if bytes.Equal(part, zeros[:len(part)]) && len(part) > 4096 {
			if _, err := s.File.Seek(int64(len(part)), io.SeekCurrent); err != nil {
				return 0, err
			}
			continue
		}
		if _, err := s.File.Write(part); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// open measures opening a file of 10 GB whose text is zeros, for which the file system keeps no blocks.
func (b *corpusBench) open(ctx context.Context) error {
	path := filepath.Join(b.dir, "ten.arrow")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := ipc.NewFileWriter(sparse{f}, ipc.WithSchema(corpus.Schema))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	const rows, length = 1 << 15, 1024
	offsets := make([]int32, rows+1)
	for i := range offsets {
		offsets[i] = int32(i * length)
	}
	cols := make([]arrow.Array, corpus.Schema.NumFields())
	text := memory.NewBufferBytes(make([]byte, rows*length))
	for i := range cols {
		cols[i] = array.MakeFromData(array.NewData(arrow.BinaryTypes.String, rows,
			[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), text}, nil, 0, 0))
	}
	rec := array.NewRecord(corpus.Schema, cols, rows)
	for range 10 << 30 / (len(cols) * rows * length) {
		if err = errors.Join(err, w.Write(rec)); err != nil {
			break
		}
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		return err
	}
	t, err := b.seconds(func() error {
		c, err := corpus.Open(path)
		if err != nil {
			return err
		}
		return c.Close()
	})
	b.line("open a corpus of 10 GB", t*1e3, "ms", 0, 5)
	return err
}

// jsonl measures JSON lines to a corpus file, on two cores.
func (b *corpusBench) jsonl(ctx context.Context) error {
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	enc.SetEscapeHTML(false)
	for i := 0; in.Len() < 256<<20; i++ {
		text := b.texts["prose"][i%len(b.texts["prose"])]
		if err := enc.Encode(map[string]string{"id": fmt.Sprintf("BkQ%08d", i), "content": text}); err != nil {
			return err
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	t, err := b.seconds(func() error {
		w, err := corpus.Create(filepath.Join(b.dir, "jsonl.arrow"))
		if err != nil {
			return err
		}
		if _, err := w.JSONL(ctx, bytes.NewReader(in.Bytes()), "x", corpus.Fields{}); err != nil {
			w.Abort()
			return err
		}
		return w.Close()
	})
	b.line("JSONL to Arrow, 2 cores", float64(in.Len())/1e6/t, "MB/s", 400, 0)
	return err
}

func allRules() clean.Rules {
	return slices.Concat(clean.Gopher(), clean.GopherRepetition(), clean.C4(), clean.FineWeb())
}

// judge measures all rules on texts.
func judge(texts []string, measure func(func() error) (float64, error)) (float64, error) {
	rules, sink := allRules(), 0.0
	var s clean.Stats
	return measure(func() error {
		for _, text := range texts {
			s.Measure(text)
			for _, r := range rules {
				sink += r.Value(&s)
			}
		}
		return nil
	})
}

func (b *corpusBench) rules(ctx context.Context) error {
	for _, kind := range []string{"prose", "code"} {
		t, err := judge(b.texts[kind], b.oneCore)
		if err != nil {
			return err
		}
		b.line("Gopher + C4 + FineWeb rules, a core, "+kind, bytesOf(b.texts[kind])/1e6/t, "MB/s", 60, 0)
	}
	return nil
}

// python measures the same rules in plain Python, where that is asked for.
func (b *corpusBench) python(ctx context.Context) error {
	if b.Rules == "" {
		fmt.Printf("%-44s %14s  %-16s %s\n", "rules, documents of plain Python", "-", "≥ 20 ×", "--rules FILE measures it")
		return nil
	}
	texts := b.texts["prose"][:min(200, len(b.texts["prose"]))]
	path := filepath.Join(b.dir, "texts.jsonl")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, text := range texts {
		err = errors.Join(err, enc.Encode(text))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, b.Python, b.Rules, path).Output()
	if err != nil {
		return fmt.Errorf("bench corpus: %s %s: %w", b.Python, b.Rules, err)
	}
	var peer struct{ Seconds float64 }
	if err := json.Unmarshal(out, &peer); err != nil {
		return fmt.Errorf("bench corpus: %s: %w", b.Rules, err)
	}
	mine, err := judge(texts, b.seconds) // by the clock on the wall, as the peer
	b.line("rules, documents of plain Python", peer.Seconds/mine, "×", 20, 0)
	return err
}

func (b *corpusBench) signatures(ctx context.Context) error {
	for _, kind := range []string{"prose", "code"} {
		s := dedup.NewSigner(dedup.DataTrove())
		t, err := b.oneCore(func() error {
			for _, text := range b.texts[kind] {
				s.Sign(text)
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.line("MinHash, 112 hashes of 5 words, a core, "+kind, bytesOf(b.texts[kind])/1e6/t, "MB/s", 40, 0)
	}
	return nil
}

// exact measures a million documents of 400 bytes, of which a tenth are there twice.
func (b *corpusBench) exact(ctx context.Context) error {
	const docs, per, size = 1_000_000, 50_000, 400
	all := strings.Join(b.texts["prose"], "")
	c, total, err := millionDocs(docs, per, func(i int) string {
		i %= docs * 9 / 10
		at := i * 7919 % (len(all) - size)
		return fmt.Sprint(i) + strings.ToValidUTF8(all[at:at+size], "")
	})
	if err != nil {
		return err
	}
	perDoc := 0.0
	t, err := b.seconds(func() error {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := dedup.Exact(ctx, c, dedup.Options{})
		runtime.ReadMemStats(&after)
		perDoc = float64(after.TotalAlloc-before.TotalAlloc) / docs
		return err
	})
	b.line("exact deduplication of 1 M documents", total/1e6/t, "MB/s", 300, 0)
	b.line("  exact deduplication allocates, a document", perDoc, "bytes", 0, 64)
	return err
}

// millionDocs makes a corpus in memory.
func millionDocs(docs, per int, text func(i int) string) (c *corpus.Corpus, bytes float64, err error) {
	var records []arrow.Record
	for from := 0; from < docs; from += per {
		b := array.NewRecordBuilder(memory.DefaultAllocator, corpus.Schema)
		for i := from; i < from+per; i++ {
			s := text(i)
			bytes += float64(len(s))
			for k, v := range []string{fmt.Sprintf("doc-%07d", i), s, "", ""} {
				b.Field(k).(*array.StringBuilder).Append(v)
			}
		}
		records = append(records, b.NewRecord())
	}
	c, err = corpus.New(records...)
	return c, bytes, err
}

func (b *corpusBench) language(ctx context.Context) error {
	clean.Language("train first")
	names, models := []string{"built-in"}, []func(string) (string, float64){clean.Language}
	if b.Lid != "" {
		m, err := fasttext.Open(b.Lid)
		if err != nil {
			return err
		}
		names, models = append(names, filepath.Base(b.Lid)), append(models, m.Best)
	}
	for i, best := range models {
		t, err := b.oneCore(func() error {
			for _, text := range b.texts["prose"] {
				best(text)
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.line("language, a core, "+names[i], bytesOf(b.texts["prose"])/1e6/t, "MB/s", 50, 0)
	}
	return nil
}

// explore measures a moved threshold of a million documents that 25 rules have judged.
func (b *corpusBench) explore(ctx context.Context) error {
	const docs, per, rules = 1_000_000, 50_000, 25
	c, _, err := millionDocs(docs, per, func(i int) string { return "text" })
	if err != nil {
		return err
	}
	var fields []arrow.Field
	var ranges []corpus.Range
	columns := make([][]arrow.Array, docs/per)
	for k := range rules {
		name := fmt.Sprint("rule ", k)
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float32})
		ranges = append(ranges, corpus.Range{Column: name, Min: 0.02, Max: math.Inf(1)})
		rng := rand.New(rand.NewPCG(uint64(k), 0))
		for i := range columns {
			values := make([]float32, per)
			for r := range values {
				values[r] = rng.Float32()
			}
			columns[i] = append(columns[i], array.NewFloat32Data(array.NewData(arrow.PrimitiveTypes.Float32, per,
				[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Float32Traits.CastToBytes(values))}, nil, 0, 0)))
		}
	}
	if c, err = c.WithColumns(fields, columns); err != nil {
		return err
	}
	e, err := corpus.Explore(ctx, c, ranges...)
	if err != nil {
		return err
	}
	moved := 0
	t, err := b.seconds(func() error {
		moved++
		w, err := e.Set(fmt.Sprint("rule ", moved%rules), float64(moved%50)/50, math.Inf(1))
		if err == nil {
			w.MIMEBundle()
		}
		return err
	})
	b.line("what-if: a threshold moved, 1 M documents", t*1e3, "ms", 0, 100)
	return err
}
