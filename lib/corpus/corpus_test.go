package corpus

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// sample returns n documents whose texts have different lengths, empty ones included.
func sample(n int) []Document {
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = Document{ID: fmt.Sprint("doc-", i), Text: strings.Repeat("文 text ", i%7), Source: fmt.Sprintf("a.jsonl:%d", i+1)}
		if i%3 == 0 {
			docs[i].Meta = fmt.Sprintf(`{"n":%d}`, i)
		}
	}
	return docs
}

func writeCorpus(t testing.TB, docs []Document) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.arrow")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if err := w.Append(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *Corpus {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func docsOf(t testing.TB, c *Corpus) []Document {
	t.Helper()
	var out []Document
	for d, err := range c.Docs() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

func equalDocs(t testing.TB, got, want []Document) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("document %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestWriteOpen(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		docs := sample(n)
		c := open(t, writeCorpus(t, docs))
		if c.NumDocs() != n {
			t.Errorf("NumDocs = %d, want %d", c.NumDocs(), n)
		}
		equalDocs(t, docsOf(t, c), docs)
	}
}

func TestManyChunks(t *testing.T) {
	docs := make([]Document, 100)
	for i := range docs {
		docs[i] = Document{ID: fmt.Sprint(i), Text: strings.Repeat(fmt.Sprint(i%10), 1<<20)}
	}
	c := open(t, writeCorpus(t, docs))
	if c.NumBatches() < 3 {
		t.Fatalf("%d chunks: the test wants several", c.NumBatches())
	}
	equalDocs(t, docsOf(t, c), docs)
}

func TestSelections(t *testing.T) {
	docs := sample(500)
	c := open(t, writeCorpus(t, docs))
	all, err := Concat(c, c)
	if err != nil {
		t.Fatal(err)
	}
	with, err := all.Where(func(d Document) bool { return d.Meta != "" })
	if err != nil {
		t.Fatal(err)
	}
	var want []Document
	for range 2 {
		for _, d := range docs {
			if d.Meta != "" {
				want = append(want, d)
			}
		}
	}
	equalDocs(t, docsOf(t, with), want)
	for _, n := range []int{0, 1, 200, len(want), 1 << 20} {
		equalDocs(t, docsOf(t, with.Head(n)), want[:min(n, len(want))])
	}
	path := filepath.Join(t.TempDir(), "saved.arrow")
	if err := with.Save(path); err != nil {
		t.Fatal(err)
	}
	equalDocs(t, docsOf(t, open(t, path)), want)
}

func TestSaveKeepsAddedColumns(t *testing.T) {
	docs := sample(50)
	c := open(t, writeCorpus(t, docs))
	b, err := c.Batch(0)
	if err != nil {
		t.Fatal(err)
	}
	scores := array.NewFloat32Builder(memory.DefaultAllocator)
	words := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Uint32)
	for i := range docs {
		scores.Append(float32(i))
		words.Append(i%4 != 0)
		words.ValueBuilder().(*array.Uint32Builder).AppendValues(make([]uint32, i%4), nil)
	}
	schema := arrow.NewSchema(append(Schema.Fields(),
		arrow.Field{Name: "score", Type: arrow.PrimitiveTypes.Float32},
		arrow.Field{Name: "words", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint32), Nullable: true}), nil)
	rec := array.NewRecord(schema, append(b.Record.Columns(), scores.NewArray(), words.NewArray()), int64(len(docs)))
	wide, err := New(rec)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := wide.WhereRow(func(b Batch, i int) bool {
		return int(b.Record.Column(numFixed).(*array.Float32).Value(b.Row(i)))%2 == 1
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wide.arrow")
	if err := odd.Save(path); err != nil {
		t.Fatal(err)
	}
	back := open(t, path)
	got, err := back.Batch(0)
	if err != nil {
		t.Fatal(err)
	}
	if back.NumDocs() != 25 {
		t.Fatalf("%d documents, want 25", back.NumDocs())
	}
	for i := range got.Len() {
		if s := got.Record.Column(numFixed).(*array.Float32).Value(i); s != float32(2*i+1) {
			t.Fatalf("score %d is %v", i, s)
		}
		from, to := got.Record.Column(numFixed + 1).(*array.List).ValueOffsets(i)
		if want := int64((2*i + 1) % 4); to-from != want {
			t.Fatalf("list %d has %d values, want %d", i, to-from, want)
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "c.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	w.Append(Document{ID: "1", Text: "x"})
	w.Abort()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "x.txt")
	if err := os.WriteFile(text, []byte("no arrow file, but long enough to be one"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, dir, filepath.Join(dir, "absent")} {
		if c, err := Open(path); err == nil {
			t.Errorf("%s: opened %d documents", path, c.NumDocs())
		} else if !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("error does not name the file: %v", err)
		}
	}
}

// A mapped file is not trusted: whatever is in it, opening and reading it ends in documents or in an error.
func FuzzOpen(f *testing.F) {
	small := filepath.Join(f.TempDir(), "seed.arrow")
	w, err := Create(small)
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range sample(5) {
		w.Append(d)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := openBytes(data)
		if err != nil {
			return
		}
		for d, err := range c.Docs() {
			if err == nil && len(d.Text) > len(data) {
				t.Errorf("a text of %d bytes from a file of %d", len(d.Text), len(data))
			}
		}
	})
}

// BenchmarkOpen opens a sparse file that claims 10 GB in chunks of the size that Writer makes.
func BenchmarkOpen(b *testing.B) {
	path := tenGB(b)
	for b.Loop() {
		c, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// tenGB makes a corpus file of 10 GB from one chunk of text: the chunk's bytes are there once at the start and sparse elsewhere, so
// the file has the headers of a real one and needs no 10 GB of disk.
func tenGB(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "ten.arrow")
	w, err := createWith(path, Schema)
	if err != nil {
		b.Fatal(err)
	}
	cols := make([]arrow.Array, numFixed)
	const rows = 1 << 15
	offsets := make([]byte, 4*(rows+1))
	for i := range rows + 1 {
		binary.LittleEndian.PutUint32(offsets[4*i:], uint32(i*1024))
	}
	zeros := memory.NewBufferBytes(make([]byte, rows*1024))
	for i := range cols {
		cols[i] = array.MakeFromData(array.NewData(arrow.BinaryTypes.String, rows, []*memory.Buffer{nil, memory.NewBufferBytes(offsets), zeros}, nil, 0, 0))
	}
	rec := array.NewRecord(Schema, cols, rows)
	for range 10 << 30 / (numFixed * rows * 1024) {
		if err := w.write(rec); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}
