package corpus

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/klauspost/compress/gzip"
)

// manyChunks is a corpus of several chunks with odd texts, some of its documents left out, none of one chunk left.
func manyChunks(t testing.TB) *Corpus {
	t.Helper()
	var parts []*Corpus
	for p := range 5 {
		cols := newColumns()
		for i := range 40 {
			meta := ""
			if i%3 == 0 {
				meta = fmt.Sprintf(`{"url":"http://x/%d","n":%d,"deep":{"id":1}}`, i, i)
			}
			text := strings.Repeat("a \"quoted\" line\\\n\tof \u4e2d\u6587 \x01 and \u2028 more", i)
			cols.append(Document{ID: fmt.Sprintf("%d-%d", p, i), Text: text, Source: fmt.Sprintf("s:%d", i), Meta: meta})
		}
		c, err := New(cols.record())
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c)
	}
	all, err := Concat(parts...)
	if err != nil {
		t.Fatal(err)
	}
	all, err = all.Where(func(d Document) bool { return !strings.HasPrefix(d.ID, "3-") && !strings.HasSuffix(d.ID, "5") })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func documents(t testing.TB, c *Corpus) (docs []Document) {
	t.Helper()
	for d, err := range c.Docs() {
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, cloned(d))
	}
	return docs
}

func TestExport(t *testing.T) {
	c := manyChunks(t)
	for _, name := range []string{"a.jsonl", "a.jsonl.gz", "a.ndjson.zst", "a.parquet", "a.arrow", "wanjuan"} {
		export := func(path string) {
			t.Helper()
			var err error
			done := 0
			cfg := ExportConfig{Progress: func(n, total int) { done = n - total }}
			if name == "wanjuan" {
				err = c.ExportWanJuan(t.Context(), path, cfg)
			} else {
				err = c.Export(t.Context(), path, cfg)
			}
			if err != nil || done != 0 {
				t.Fatalf("%s: error %v, %d documents short", name, err, -done)
			}
		}
		path := filepath.Join(t.TempDir(), name)
		export(path)
		back, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "back.arrow"), Fields{}, path)
		if err != nil || im.Bad > 0 {
			t.Fatalf("%s: %v %v", name, err, im.First)
		}
		defer back.Close()
		want, got := documents(t, c), documents(t, back)
		if name != "a.parquet" && name != "a.arrow" { // there, the source is the file that was read last
			for i := range want {
				want[i].Source, got[i].Source = "", ""
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d documents come back, want %d, or they differ", name, len(got), len(want))
		}

		again := filepath.Join(t.TempDir(), name)
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			export(again)
		}()
		if a, b := readTree(t, path), readTree(t, again); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: on one core the bytes differ", name)
		}
	}
}

// readTree returns a file, or all files of a folder, by name.
func readTree(t testing.TB, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.Walk(path, func(p string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		all[filepath.Base(p)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestExportWanJuanLayout opens a part as WanJuan's users do.
func TestExportWanJuanLayout(t *testing.T) {
	c := build(t, `{"id":"BkQ","text":"正文","grade":"初中"}`)
	dir := filepath.Join(t.TempDir(), "raw/nlp/CN/Exam-cn")
	if err := c.ExportWanJuan(t.Context(), dir, ExportConfig{}); err != nil {
		t.Fatal(err)
	}
	for name, data := range readTree(t, dir) {
		z, err := gzip.NewReader(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		a := tar.NewReader(z)
		h, err := a.Next()
		if err != nil || h.Name+".tar.gz" != name || !strings.HasPrefix(name, "part-000000-") {
			t.Errorf("%s holds %v, error %v", name, h, err)
		}
		var line bytes.Buffer
		line.ReadFrom(a)
		if want := `{"id":"BkQ","content":"正文","grade":"初中"}` + "\n"; line.String() != want {
			t.Errorf("line %q, want %q", line.String(), want)
		}
	}
	if err := c.ExportWanJuan(t.Context(), dir, ExportConfig{}); err == nil || !strings.Contains(err.Error(), "holds parts already") {
		t.Errorf("a second export into the folder: error %v", err)
	}
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	for want, run := range map[string]func() error{
		"want an ending of": func() error {
			return build(t, `{"text":"t"}`).Export(t.Context(), filepath.Join(dir, "a.txt"), ExportConfig{})
		},
		`has a field "id" of its own`: func() error {
			path := filepath.Join(dir, "in.jsonl")
			write(t, path, []byte(`{"key":"k","id":"i","text":"t"}`))
			c, _, err := Build(t.Context(), filepath.Join(dir, "in.arrow"), Fields{ID: "key"}, path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			return c.Export(t.Context(), filepath.Join(dir, "a.jsonl"), ExportConfig{})
		},
		"is no JSON object": func() error {
			cols := newColumns()
			cols.append(Document{ID: "x", Meta: `["a"]`})
			c, err := New(cols.record())
			if err != nil {
				t.Fatal(err)
			}
			return c.Export(t.Context(), filepath.Join(dir, "a.jsonl"), ExportConfig{})
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, error %v", want, err)
		}
	}
	for name := range readTree(t, dir) {
		if !strings.HasPrefix(name, "in.") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// TestExportOddities: bytes that are no text, and columns of operators.
func TestExportOddities(t *testing.T) {
	cols := newColumns()
	cols.append(Document{ID: "x", Text: "a\xffb", Meta: "{\n\"k\": 1\n}"})
	c, err := New(cols.record())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.With(t.Context(), nil, constant{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.jsonl")
	if err := c.Export(t.Context(), path, ExportConfig{Fields: Fields{Text: "raw_content"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := readTree(t, path)["a.jsonl"], "{\"id\":\"x\",\"raw_content\":\"a\ufffdb\",\"k\":1,\"score\":0.5,\"nan\":null}\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// constant is an operator of two columns, one of them without a value.
type constant struct{}

func (constant) Fields() []arrow.Field {
	return []arrow.Field{{Name: "score", Type: arrow.PrimitiveTypes.Float32}, {Name: "nan", Type: arrow.PrimitiveTypes.Float32}}
}

func (constant) Apply(_ context.Context, b Batch) ([]arrow.Array, error) {
	n := int(b.Record.NumRows())
	column := func(v float64) arrow.Array {
		f := array.NewFloat32Builder(memory.DefaultAllocator)
		for range n {
			f.Append(float32(v))
		}
		return f.NewArray()
	}
	return []arrow.Array{column(0.5), column(math.NaN())}, nil
}

// BenchmarkExport writes WanJuan-shaped documents from page cache to page cache; MB/s are of text.
func BenchmarkExport(b *testing.B) {
	c := shaped(b, 64<<20)
	for _, name := range []string{"a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"} {
		b.Run("format="+name[2:], func(b *testing.B) {
			path := filepath.Join(b.TempDir(), name)
			b.SetBytes(64 << 20)
			for b.Loop() {
				if err := c.Export(b.Context(), path, ExportConfig{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// shaped is a corpus of about so many bytes of text, in chunks as Build makes them.
func shaped(b *testing.B, size int) *Corpus {
	b.Helper()
	path := filepath.Join(b.TempDir(), "c.arrow")
	w, err := Create(path)
	if err != nil {
		b.Fatal(err)
	}
	for n, i := 0, 0; n < size; i++ {
		text := strings.Repeat(fmt.Sprintf("The quick brown fox jumps over %d lazy dogs, said 《论语》.\n", i), 30)
		if err := w.Append(Document{ID: fmt.Sprintf("BkQ%08d", i), Text: text}); err != nil {
			b.Fatal(err)
		}
		n += len(text)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}
