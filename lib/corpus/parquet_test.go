package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	pqcompress "github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// nestedSchema has every way of nesting: chats as Hugging Face's data sets have them, lists of lists, maps, structs in structs.
var nestedSchema = arrow.NewSchema([]arrow.Field{
	{Name: "text", Type: arrow.BinaryTypes.String},
	{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "messages", Nullable: true, Type: arrow.ListOf(arrow.StructOf(
		arrow.Field{Name: "role", Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "scores", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64), Nullable: true}))},
	{Name: "meta", Nullable: true, Type: arrow.StructOf(
		arrow.Field{Name: "url", Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "flag", Type: arrow.FixedWidthTypes.Boolean},
		arrow.Field{Name: "deep", Nullable: true, Type: arrow.StructOf(arrow.Field{Name: "at", Type: arrow.PrimitiveTypes.Int64, Nullable: true})})},
	{Name: "lists", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), Nullable: true},
	{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	{Name: "when", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
}, nil)

// nestedRows are n random rows, and the same as JSON, by field.
func nestedRows(t testing.TB, n int) (all arrow.Record, rows []map[string]any) {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 6))
	null := func() bool { return rng.IntN(5) == 0 }
	number := func() string {
		if null() {
			return "null"
		}
		return fmt.Sprint(rng.IntN(1000))
	}
	word := func() string {
		if null() {
			return "null"
		}
		return []string{`"a"`, `"é\n\"语\""`, `""`, `"` + strings.Repeat("long ", 20) + `"`}[rng.IntN(4)]
	}
	list := func(of func() string) string {
		if null() {
			return "null"
		}
		parts := make([]string, rng.IntN(4))
		for i := range parts {
			parts[i] = of()
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	object := func(format string, args ...any) string {
		if null() {
			return "null"
		}
		return fmt.Sprintf(format, args...)
	}
	var lines strings.Builder
	for i := range n {
		pairs := 0
		entry := func() string { pairs++; return fmt.Sprintf(`{"key":"k%d","value":%s}`, pairs, number()) }
		message := func() string { return object(`{"role":%s,"scores":%s}`, word(), list(number)) }
		fmt.Fprintf(&lines, `{"text":"t%d","n":%s,"messages":%s,"meta":%s,"lists":%s,"map":%s,"when":%s}`+"\n", i, number(), list(message),
			object(`{"url":%s,"flag":%v,"deep":%s}`, word(), rng.IntN(2) == 0, object(`{"at":%s}`, number())),
			list(func() string { return list(number) }), list(entry), object(`"2024-05-06 07:08:%02d"`, rng.IntN(60)))
	}
	all, _, err := array.RecordFromJSON(memory.DefaultAllocator, nestedSchema, strings.NewReader("["+strings.ReplaceAll(strings.TrimSpace(lines.String()), "\n", ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines.String()) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return all, rows
}

// nestedFile is a Parquet file of such rows, in row groups of 5000.
func nestedFile(t testing.TB, n int, codec pqcompress.Compression) (data []byte, rows []map[string]any) {
	t.Helper()
	all, rows := nestedRows(t, n)
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(nestedSchema, &b, parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithDataPageSize(256)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from < int64(n); from += 5000 {
		if err := w.Write(all.NewSlice(from, min(from+5000, int64(n)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), rows
}

// arrowOf is an Arrow file or stream of a record in chunks of 2000 rows.
func arrowOf(t testing.TB, rec arrow.Record, stream bool, opts ...ipc.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	opts = append(opts, ipc.WithSchema(rec.Schema()))
	var w interface {
		Write(arrow.Record) error
		Close() error
	} = ipc.NewWriter(&b, opts...)
	if !stream {
		var err error
		b.Reset()
		if w, err = ipc.NewFileWriter(&counter{w: &b}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	for from := int64(0); from < rec.NumRows(); from += 2000 {
		if err := w.Write(rec.NewSlice(from, min(from+2000, rec.NumRows()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Nested values come back as the JSON that they were made of, from every kind of table, over row groups and batches.
func TestNestedTables(t *testing.T) {
	data, want := nestedFile(t, 9000, pqcompress.Codecs.Zstd)
	rec, _ := nestedRows(t, 9000)
	for _, row := range want {
		delete(row, "text")
		if when, ok := row["when"].(string); ok {
			row["when"] = when + "Z"
		}
	}
	for name, data := range map[string][]byte{
		"a.parquet":    data,
		"stream.arrow": arrowOf(t, rec, true), "file.arrow": arrowOf(t, rec, false),
		"lz4.arrow": arrowOf(t, rec, true, ipc.WithLZ4()), "zstd.arrow": arrowOf(t, rec, false, ipc.WithZstd()),
	} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, data)
		n := 0
		for d, err := range Read(t.Context(), Fields{}, path) {
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(d.Meta), &got); err != nil {
				t.Fatalf("%s: %s: %v", name, d.Meta, err)
			}
			if d.Text != fmt.Sprint("t", n) || d.Source != fmt.Sprintf("%s:%d", path, n+1) || !reflect.DeepEqual(got, want[n]) {
				t.Fatalf("%s: row %d is %+v, want %v", name, n, d, want[n])
			}
			n++
		}
		if n != len(want) {
			t.Errorf("%s: %d rows of %d", name, n, len(want))
		}
	}
}

// A stream that was cut off gives what is whole, and a reason.
func TestCutStream(t *testing.T) {
	rec, _ := nestedRows(t, 4000)
	data := arrowOf(t, rec, true)
	path := filepath.Join(t.TempDir(), "a.arrow")
	write(t, path, data[:len(data)-len(data)/4])
	_, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "c.arrow"), Fields{}, path)
	if err != nil || im.Docs != 2000 || im.Bad != 1 || !strings.Contains(im.First[0].Reason, "the stream was cut off") {
		t.Errorf("%d documents, %v, error %v", im.Docs, im.First, err)
	}
}

// Nested columns are no texts.
func TestNestedParquetText(t *testing.T) {
	data, _ := nestedFile(t, 3, pqcompress.Codecs.Uncompressed)
	path := filepath.Join(t.TempDir(), "a.parquet")
	write(t, path, data)
	for name, want := range map[string]string{"messages": `column "messages" is nested, not text`, "n": `column "n" is int32, not text`} {
		_, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "c.arrow"), Fields{Text: name}, path)
		if err != nil || im.Bad != 1 || !strings.Contains(im.First[0].Reason, want) {
			t.Errorf("%s: %v, error %v; want %s", name, im.First, err, want)
		}
	}
}

// A table with any byte damaged is read or reported, and what is read behind it is whole.
func TestDamagedTable(t *testing.T) {
	nested, _ := nestedFile(t, 8, pqcompress.Codecs.Uncompressed)
	packed, _ := nestedFile(t, 8, pqcompress.Codecs.Snappy)
	dir := t.TempDir()
	good := filepath.Join(dir, "b.txt")
	write(t, good, []byte("good"))
	rows, _ := nestedRows(t, 8)
	for name, table := range map[string][]byte{"a.parquet": parquetFile(t), "nested.parquet": nested, "packed.parquet": packed,
		"stream.arrow": arrowOf(t, rows, true), "file.arrow": arrowOf(t, rows, false), "lz4.arrow": arrowOf(t, rows, true, ipc.WithLZ4())} {
		path := filepath.Join(dir, name)
		reported, step := 0, 1+len(table)/300
		for i := 0; i < len(table); i += step {
			damaged := slices.Clone(table)
			damaged[i] ^= []byte{0xff, 0x14, 0x01, 0x80}[i/step%4]
			write(t, path, damaged)
			last := ""
			for d, err := range Read(t.Context(), Fields{}, path, good) {
				if bad := new(BadRecord); errors.As(err, &bad) && strings.Contains(bad.Source, name) {
					reported++
				} else if err != nil {
					t.Fatalf("%s: byte %d: %v", name, i, err)
				}
				last = d.Text
			}
			if last != "good" {
				t.Fatalf("%s: byte %d ends the walk", name, i)
			}
		}
		if reported < len(table)/step/8 {
			t.Errorf("%s: %d of %d damages are reported", name, reported, len(table))
		}
	}
}

// A dictionary that claims two thousand million values is no reason to make room for them.
func TestHugeDictionary(t *testing.T) {
	data, _ := nestedFile(t, 12, pqcompress.Codecs.Uncompressed)
	path := filepath.Join(t.TempDir(), "a.parquet")
	write(t, path, data)
	pf, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer pf.Close()
	col, err := pf.MetaData().RowGroup(0).ColumnChunk(0)
	if err != nil || !col.HasDictionaryPage() {
		t.Fatal("the file has no dictionary", err)
	}
	at := int(col.DictionaryPageOffset())
	k := bytes.Index(data[at:at+40], []byte{0x15, 24}) // in Thrift's compact protocol, an i32 that is 12
	if k < 0 {
		t.Fatalf("no count in % x", data[at:at+40])
	}
	write(t, path, slices.Concat(data[:at+k+1], []byte{0xfe, 0xff, 0xff, 0xff, 0x0f}, data[at+k+2:]))
	_, im, err := Build(t.Context(), filepath.Join(t.TempDir(), "c.arrow"), Fields{}, path)
	if err != nil || im.Bad != 1 || !strings.Contains(im.First[0].Reason, "a dictionary of 2147483647 values in ") {
		t.Errorf("%v, error %v", im.First, err)
	}
}

// Numbers that decoders make room by are told from those that pages of their size can have.
func TestPageNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"narrow indices":       {checkIndices([]byte{16, 4, 0xff, 0xff}, 2, 3), ""}, // the decoder reports them
		"run":                  {checkIndices([]byte{24, 4, 2, 0, 0}, 2, 3), ""},
		"run outside":          {checkIndices([]byte{24, 4, 3, 0, 0}, 2, 3), "index 3 of a dictionary of 3"},
		"packed":               {checkIndices(append([]byte{32, 3, 2, 0, 0, 0}, make([]byte, 28)...), 8, 3), ""},
		"packed outside":       {checkIndices(append([]byte{32, 3, 2, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 24)...), 8, 3), "index 16777216 of"},
		"behind the last":      {checkIndices(append([]byte{32, 3, 2, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 24)...), 1, 3), ""},
		"too wide":             {checkIndices([]byte{33, 3}, 1, 3), "indices of 33 bits"},
		"cut":                  {checkIndices([]byte{32, 3, 1}, 8, 3), ""},
		"no end":               {checkIndices([]byte{32, 0x80}, 8, 3), ""},
		"differences":          {checkDeltas([]byte{128, 1, 4, 100, 0}), ""},
		"too many differences": {checkDeltas([]byte{128, 1, 4, 0xff, 0xff, 0xff, 0xff, 7, 0}), "2147483647 differences in blocks of 128"},
		"blocks too large":     {checkDeltas([]byte{0xff, 0xff, 0xff, 0xff, 7, 4, 9}), "in blocks of 2147483647"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
	}
}
