package corpus

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	pqcompress "github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func gzipped(parts ...string) []byte {
	var b bytes.Buffer
	for _, p := range parts { // a member each, as WARC files have them
		w := gzip.NewWriter(&b)
		w.Write([]byte(p))
		w.Close()
	}
	return b.Bytes()
}

func zstdOf(s string) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll([]byte(s), nil)
}

func tarOf(files ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write([]byte(files[i+1]))
	}
	w.Close()
	return b.Bytes()
}

func table() arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil))
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2}, nil)
	b.Field(1).(*array.StringBuilder).AppendValues([]string{"t", ""}, []bool{true, false})
	return b.NewRecord()
}

func parquetFile(t testing.TB) []byte {
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(table().Schema(), &b, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(table()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func arrowStream(t testing.TB) []byte {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(table().Schema()))
	if err := w.Write(table()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const warcFile = "WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 4\r\n\r\ninfo\r\n\r\n"

func warcResponse(uri, header, body string) string {
	http := "HTTP/1.1 200 OK\r\n" + header + "\r\n\r\n" + body
	return fmt.Sprintf("WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:1>\r\nWARC-Target-URI: %s\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n", uri, len(http), http)
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want []Document // Source without the file's own path
		bad  string     // part of what the bad records say; none where empty
	}{
		"a.jsonl":    {data: []byte(`{"id":"1","text":"t"}`), want: []Document{{"1", "t", ":1", ""}}},
		"a.jsonl.gz": {data: gzipped("{\"text\":\"t\"}\n", "{\"text\":\"u\"}\n"), want: []Document{{":1", "t", ":1", ""}, {":2", "u", ":2", ""}}},
		"a.json": {data: []byte(` [{"text":"t","x":1},{"y":2}]`), want: []Document{{"[1]", "t", "[1]", `{"x":1}`}},
			bad: "the record has y"},
		"cut.json":     {data: []byte(`[{"text":"t"},{"te`), want: []Document{{"[1]", "t", "[1]", ""}}, bad: "record 2"},
		"empty.jsonl":  {},
		"a.csv":        {data: []byte("id,text,lang\n1,\"a\nb\",en\nshort\n"), want: []Document{{"1", "a\nb", ":2", `{"lang":"en"}`}}, bad: ":4: 1 fields"},
		"no.csv":       {data: []byte("a,b\n1,2\n"), bad: "no column for the text among a, b"},
		"a.tsv.zst":    {data: zstdOf("text\tid\nhello world\t7\n"), want: []Document{{"7", "hello world", ":2", ""}}},
		"a.txt":        {data: []byte("whole\n"), want: []Document{{"", "whole\n", "", ""}}},
		"a.go":         {data: []byte("package a\n"), want: []Document{{"", "package a\n", "", ""}}},
		"blob.bin":     {data: []byte{1, 0, 2}, bad: "byte 1 is 0: not a text file"},
		"cut.jsonl.gz": {data: gzipped(string(manyLines(3)))[:60], bad: "unexpected EOF"},
		"broken.gz":    {data: []byte("no gzip, however long it is"), bad: "gzip: invalid header"},
		"wj.tar.gz": {data: gzipped(string(tarOf("CN/part-1.jsonl", `{"id":"B","content":"文"}`, "CN/.hidden", "x", "CN/bad.csv", "a\n"))),
			want: []Document{{"B", "文", "/CN/part-1.jsonl:1", ""}}, bad: "/CN/bad.csv: no column"},
		"cut.tar":   {data: tarOf("a.txt", "text", "b.txt", strings.Repeat("x", 2000))[:1600], want: []Document{{"/a.txt", "text", "/a.txt", ""}}, bad: "unexpected EOF"},
		"a.parquet": {data: parquetFile(t), want: []Document{{":1", "t", ":1", `{"n":1}`}}, bad: ":2: no text"},
		"a.arrow":   {data: arrowStream(t), want: []Document{{":1", "t", ":1", `{"n":1}`}}, bad: ":2: no text"},
		"no.arrow":  {data: []byte("ARROW1 is not enough"), bad: "not an Arrow file"},
		"a.warc.gz": {data: gzipped(warcFile, warcResponse("https://e.x/", "Content-Type: text/html; charset=gbk", "<p>\xc4\xe3\xba\xc3</p>"), warcResponse("https://e.x/i", "Content-Type: image/png", "\x89PNG")),
			want: []Document{{"urn:1", "<p>你好</p>", "#2", `{"content_type":"text/html; charset=gbk","url":"https://e.x/"}`}}},
		"cut.warc": {data: []byte(warcFile + warcResponse("https://e.x/", "Content-Type: text/html", "<p>")[:150]), bad: "record 2"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			write(t, path, c.data)
			var got []Document
			var bad []string
			for d, err := range Read(t.Context(), Fields{}, path) {
				if b := new(BadRecord); errors.As(err, &b) {
					bad = append(bad, b.Error())
				} else if err != nil {
					t.Fatal(err)
				} else {
					d = cloned(d)
					d.Source, d.ID = strings.TrimPrefix(d.Source, path), strings.TrimPrefix(d.ID, path)
					got = append(got, d)
				}
			}
			equalDocs(t, got, c.want)
			all := strings.Join(bad, "\n")
			if c.bad == "" && len(bad) > 0 || !strings.Contains(all, c.bad) || strings.Count(all, path) != len(bad) {
				t.Errorf("bad records %q, want %q", bad, c.bad)
			}
		})
	}
}

func TestBuildIsReadThroughAnArrowFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in/b.txt"), []byte("second"))
	write(t, filepath.Join(dir, "in/a.jsonl"), []byte("{\"id\":\"1\",\"content\":\"first\"}\n?\n"))
	write(t, filepath.Join(dir, "in/.git/config"), []byte("hidden"))
	c, im, err := Build(t.Context(), filepath.Join(dir, "out.arrow"), Fields{}, filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := filepath.Join(dir, "in/b.txt")
	equalDocs(t, docsOf(t, c), []Document{{ID: "1", Text: "first", Source: filepath.Join(dir, "in/a.jsonl:1")}, {ID: b, Text: "second", Source: b}})
	if im.Docs != 2 || im.Bad != 1 || im.Bytes != int64(len("firstsecond")) {
		t.Errorf("%+v", im)
	}
	if _, _, err := Build(t.Context(), filepath.Join(dir, "x.arrow"), Fields{}, filepath.Join(dir, "absent*")); err == nil || !strings.Contains(err.Error(), "absent*") {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}

// Stopping the walk early, anywhere, is no error and calls nothing again.
func TestReadStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, []byte(strings.Repeat("{\"text\":\"t\"}\n?\n", 5)))
	for stop := 1; stop < 10; stop++ {
		n := 0
		for range Read(t.Context(), Fields{}, path) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("stopped after %d, want %d", n, stop)
		}
	}
}

// Whatever bytes a file of any format has, reading ends, in documents or in bad records that name the file.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{"a,b\n", "[{}]", warcFile, warcResponse("u", "A: b", "c"), string(tarOf("a.txt", "x")), string(gzipped("x"))} {
		for ext := range formatsFuzzed {
			f.Add(ext, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, ext int, data []byte) {
		in := &reading{ctx: t.Context(), emit: func(d Document) error { return nil }}
		name := "x" + formatsFuzzed[uint(ext)%uint(len(formatsFuzzed))]
		err := in.stream(bytes.NewReader(data), name, name)
		if errors.As(err, new(emitError)) {
			t.Errorf("a broken file ends the whole walk: %v", err)
		}
		for _, b := range in.First {
			if !strings.HasPrefix(b.Source, "x") || b.Reason == "" {
				t.Errorf("%+v", b)
			}
		}
	})
}

// The same of tables, which are read from a file's places and not as a stream.
func FuzzTables(f *testing.F) {
	f.Add(true, parquetFile(f))
	nested, _ := nestedFile(f, 2, pqcompress.Codecs.Snappy)
	f.Add(true, nested)
	rows, _ := nestedRows(f, 2)
	f.Add(false, arrowOf(f, rows, true, ipc.WithZstd()))
	f.Add(false, arrowOf(f, rows, false))
	f.Add(false, arrowStream(f))
	f.Fuzz(func(t *testing.T, isParquet bool, data []byte) {
		name := "x.arrow"
		if isParquet {
			name = "x.parquet"
		}
		path := filepath.Join(t.TempDir(), name)
		write(t, path, data)
		for d, err := range Read(t.Context(), Fields{}, path) {
			if bad := new(BadRecord); err != nil && (!errors.As(err, &bad) || !strings.Contains(bad.Source, name)) {
				t.Errorf("%v", err)
			}
			_ = d
		}
	})
}

var formatsFuzzed = []string{".jsonl", ".json", ".csv", ".tsv", ".warc", ".tar", ".txt", ".jsonl.gz", ".tar.zst", ".bz2"}
