package corpus

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	pqcompress "github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"

	"quire/lib/corpus/internal/ordered"
	"quire/lib/corpus/internal/whole"
)

// ExportConfig says how documents leave a corpus.
type ExportConfig struct {
	// Fields names the fields of the records; empty names are "id" and "text", in WanJuan's layout "id" and "content".
	Fields
	// Progress, where not nil, is told how many documents are done.
	Progress func(done, total int)
}

// Export writes the selected documents into one file, whose ending says how:
//
//	.jsonl .ndjson          a record a line: id, text, the fields of Meta, then the columns that operators added
//	….gz ….zst behind it    compressed: gzip on all cores, a member a chunk
//	.parquet                the corpus's columns, Zstandard, a row group a chunk
//	.arrow                  a corpus: Save
//
// Reading JSON lines back gives the same ids, texts and Meta. Bytes that are no UTF-8 become U+FFFD, which JSON demands. The file
// appears when it is complete, with the same bytes on any number of cores.
func (c *Corpus) Export(ctx context.Context, path string, cfg ExportConfig) error {
	base := path
	ext := filepath.Ext(path)
	if ext == ".gz" || ext == ".zst" {
		base = strings.TrimSuffix(path, ext)
	} else {
		ext = ""
	}
	var write func(context.Context, io.Writer) error
	switch kind := filepath.Ext(base); {
	case kind == ".jsonl" || kind == ".ndjson":
		write = func(ctx context.Context, w io.Writer) error { return c.writeJSONL(ctx, w, ext, cfg) }
	case kind == ".parquet" && ext == "":
		write = func(ctx context.Context, w io.Writer) error { return c.writeParquet(ctx, w, cfg) }
	case kind == ".arrow" && ext == "":
		return c.Save(path)
	default:
		return fmt.Errorf("corpus: export: %s: want an ending of .jsonl, .jsonl.gz, .jsonl.zst, .parquet or .arrow", path)
	}
	f, err := whole.Create(path)
	if err != nil {
		return fmt.Errorf("corpus: export: %w", err)
	}
	if err = write(ctx, f); err == nil {
		err = f.Commit()
	}
	if err != nil {
		f.Abort()
		return fmt.Errorf("corpus: export: %s: %w", path, err)
	}
	return nil
}

func (c *Corpus) writeJSONL(ctx context.Context, w io.Writer, compression string, cfg ExportConfig) error {
	r := newRecords(cfg.Fields, "text")
	if compression == ".zst" {
		// One frame: some readers stop behind the first. Two goroutines whatever the machine, for the same bytes.
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(2))
		if err != nil {
			return err
		}
		return errors.Join(c.eachJSONL(ctx, r, cfg, asIs, z), z.Close())
	}
	pack := asIs
	if compression == ".gz" {
		pack = gzipMember
	}
	return c.eachJSONL(ctx, r, cfg, pack, w)
}

func asIs(_ int, lines []byte) ([]byte, error) { return lines, nil }

func gzipMember(_ int, lines []byte) ([]byte, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(lines)
	err = errors.Join(err, z.Close()) // before Bytes
	return b.Bytes(), err
}

// eachJSONL writes what pack makes of every chunk's lines, in order; pack is told the chunk's number and runs on all cores.
func (c *Corpus) eachJSONL(ctx context.Context, r records, cfg ExportConfig, pack func(chunk int, lines []byte) ([]byte, error), w io.Writer) error {
	type packed struct {
		bytes []byte
		docs  int
	}
	done := 0
	return ordered.Map(ctx, runtime.GOMAXPROCS(0), c.numbered(), func(ctx context.Context, chunk int) (packed, error) {
		b, err := c.Batch(chunk)
		if err != nil {
			return packed{}, err
		}
		lines, err := r.lines(ctx, b)
		if err != nil {
			return packed{}, err
		}
		out, err := pack(chunk, lines)
		return packed{out, b.Len()}, err
	}, func(p packed) error {
		if done += p.docs; cfg.Progress != nil {
			cfg.Progress(done, c.n)
		}
		_, err := w.Write(p.bytes)
		return err
	})
}

// numbered walks the numbers of the chunks.
func (c *Corpus) numbered() iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range c.chunks {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// records turns documents into JSON objects.
type records struct {
	id, text string
}

func newRecords(f Fields, text string) records {
	return records{cmp.Or(f.ID, "id"), cmp.Or(f.Text, text)}
}

// lines returns the selected documents of a batch, an object a line.
func (r records) lines(ctx context.Context, b Batch) ([]byte, error) {
	var dst []byte
	for i := range b.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := b.Doc(i)
		if dst == nil {
			dst = make([]byte, 0, 5*b.Record.Column(colText).(*array.String).ValueOffset(int(b.Record.NumRows()))/4+1024)
		}
		var err error
		if dst, err = r.append(dst, b, i, d); err != nil {
			return nil, fmt.Errorf("document %q: %w", d.ID, err)
		}
	}
	return dst, nil
}

func (r records) append(dst []byte, b Batch, i int, d Document) ([]byte, error) {
	dst = append(dst, '{')
	for k, field := range []struct{ name, value string }{{r.id, d.ID}, {r.text, d.Text}} {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, field.name), ':')
		dst = appendJSONText(dst, field.value)
	}
	if d.Meta != "" {
		inner, err := r.meta(d.Meta)
		if err != nil {
			return dst, err
		}
		if len(inner) > 0 {
			dst = append(append(dst, ','), inner...)
		}
	}
	for ci := numFixed; ci < int(b.Record.NumCols()); ci++ {
		value, err := json.Marshal(b.Record.Column(ci).GetOneForMarshal(b.Row(i)))
		if err != nil { // NaN, for a row that an operator left out
			value = []byte("null")
		}
		dst = append(dst, ',')
		dst = append(appendJSONString(dst, b.Record.ColumnName(ci)), ':')
		dst = append(dst, value...)
	}
	return append(dst, '}', '\n'), nil
}

// meta returns what stands between the braces of a document's Meta.
func (r records) meta(meta string) (string, error) {
	if err := fastjson.Validate(meta); err != nil || meta[0] != '{' {
		return "", fmt.Errorf("meta %.60q is no JSON object", meta)
	}
	if strings.ContainsAny(meta, "\r\n") {
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(meta)); err != nil {
			return "", err
		}
		meta = b.String()
	}
	for _, name := range []string{r.id, r.text} {
		if strings.Contains(meta, `"`+name+`"`) && fastjson.Exists([]byte(meta), name) {
			return "", fmt.Errorf("its record has a field %q of its own: name other fields in ExportConfig.Fields", name)
		}
	}
	return strings.TrimSpace(meta[1 : len(meta)-1]), nil
}

// appendJSONText appends a text of the corpus, which may hold any bytes.
func appendJSONText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return appendJSONString(dst, s)
}

// ExportWanJuan writes the selected documents in WanJuan's layout, as it stands below raw/nlp/EN/WebText-en and the like: the folder's
// part-000000-xxxxxxxx.jsonl.tar.gz and on, a part a chunk, in each of which one file of the same name holds a line
// {"id": …, "content": …} for each document; exam records keep their other fields. The folder must hold no parts.
func (c *Corpus) ExportWanJuan(ctx context.Context, dir string, cfg ExportConfig) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("corpus: export: %w", err)
	}
	if old, err := filepath.Glob(filepath.Join(escapeGlob(dir), "part-*.jsonl.tar.gz")); err != nil || len(old) > 0 {
		return fmt.Errorf("corpus: export: %s holds parts already: remove them or choose another folder", dir)
	}
	write := func(chunk int, lines []byte) ([]byte, error) {
		if len(lines) == 0 {
			return nil, nil
		}
		name := fmt.Sprintf("part-%06d-%08x.jsonl", chunk, uint32(xxh3.Hash(lines)))
		packed, err := tarGz(name, lines)
		if err != nil {
			return nil, err
		}
		f, err := whole.Create(filepath.Join(dir, name+".tar.gz"))
		if err == nil {
			f.Write(packed)
			err = f.Commit()
		}
		return nil, err
	}
	if err := c.eachJSONL(ctx, newRecords(cfg.Fields, "content"), cfg, write, io.Discard); err != nil {
		return fmt.Errorf("corpus: export: %w", err)
	}
	return nil
}

// tarGz is an archive of one file, without a time, so that equal content gives equal bytes.
func tarGz(name string, content []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	err := t.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644})
	if err == nil {
		_, err = t.Write(content)
	}
	err = errors.Join(err, t.Close(), z.Close()) // before Bytes
	return b.Bytes(), err
}

func (c *Corpus) writeParquet(ctx context.Context, w io.Writer, cfg ExportConfig) error {
	fields := slices.Clone(c.Schema().Fields())
	fields[colID].Name, fields[colText].Name = cmp.Or(cfg.ID, "id"), cmp.Or(cfg.Text, "text")
	schema := arrow.NewSchema(fields, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(pqcompress.Codecs.Zstd), parquet.WithDictionaryFor(fields[colText].Name, false),
		parquet.WithCreatedBy("quire"))
	pw, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	done := 0
	for b, err := range c.Batches() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && b.Len() > 0 {
			var rec arrow.Record
			if rec, err = b.selected(); err == nil {
				err = pw.Write(array.NewRecord(schema, rec.Columns(), rec.NumRows()))
			}
		}
		if err != nil {
			return errors.Join(err, pw.Close())
		}
		if done += b.Len(); cfg.Progress != nil {
			cfg.Progress(done, c.n)
		}
	}
	return pw.Close()
}
