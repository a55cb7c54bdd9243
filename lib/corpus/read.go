package corpus

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Build reads every file that the patterns name into a new corpus file at path and opens it. A pattern is a file, a glob, a folder,
// which is walked, a URL, which may end in #sha256= and the digits that its content must have, or objects of a mounted [Store].
// Connections that are lost are taken up again; Fetch keeps a copy. The format follows from the name:
//
//	.jsonl .ndjson .json       records, one a line or one array (WanJuan, C4, FineWeb, alpaca, …)
//	.csv .tsv .parquet         tables
//	.txt .md and source code   a document a file; .md keeps its Markdown
//	.html .htm                 a document a page, as HTML: clean.MainText extracts
//	.warc .wet                 Common Crawl
//	.arrow                     a corpus
//	.tar .tgz                  archives of any of these, as WanJuan's
//	.gz .zst .bz2 behind any   compressed
//
// A record that cannot be read is in the Import with its place and reason; a file that cannot be read is one such record, but content
// with another SHA-256 than its URL says ends the reading.
func Build(ctx context.Context, path string, f Fields, patterns ...string) (*Corpus, Import, error) {
	w, err := Create(path)
	if err != nil {
		return nil, Import{}, err
	}
	im, err := w.Files(ctx, f, patterns...)
	if err != nil {
		w.Abort()
		return nil, im, err
	}
	if err := w.Close(); err != nil {
		return nil, im, err
	}
	c, err := Open(path)
	return c, im, err
}

// Files appends the documents of every file that the patterns name: see Build.
func (w *Writer) Files(ctx context.Context, f Fields, patterns ...string) (Import, error) {
	names, err := glob(ctx, patterns)
	if err != nil {
		return Import{}, err
	}
	in := &reading{ctx: ctx, fields: f, jsonl: func(r io.Reader, name string) (Import, error) { return w.JSONL(ctx, r, name, f) }}
	in.emit = func(d Document) error {
		in.Docs++
		in.Bytes += int64(len(d.Text))
		return w.Append(d)
	}
	for _, name := range names {
		if err := in.file(name); err != nil {
			return in.Import, err
		}
	}
	return in.Import, nil
}

// Read walks the documents of every file that the patterns name, without making a corpus: see Build for the formats. A bad record
// yields a *BadRecord, and the walk goes on; any other error ends it.
func Read(ctx context.Context, f Fields, patterns ...string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		names, err := glob(ctx, patterns)
		if err != nil {
			yield(Document{}, err)
			return
		}
		in := &reading{ctx: ctx, fields: f}
		in.emit = func(d Document) error {
			if !yield(d, nil) {
				return errStopped
			}
			return nil
		}
		in.badRecord = func(b BadRecord) error {
			if !yield(Document{}, &b) {
				return errStopped
			}
			return nil
		}
		for _, name := range names {
			if err := in.file(name); err != nil {
				if !errors.Is(err, errStopped) {
					yield(Document{}, err)
				}
				return
			}
		}
	}
}

var errStopped = errors.New("stopped")

// Glob returns the files that the patterns name: a file, a glob, or a folder with all below it but hidden files, in order of name
// within each pattern. A pattern that names nothing is an error. A URL is itself; in a mounted store, patterns work as for files.
func Glob(patterns ...string) ([]string, error) { return glob(context.Background(), patterns) }

func glob(ctx context.Context, patterns []string) ([]string, error) {
	var all []string
	for _, p := range patterns {
		if o, ok, err := remote(p); err != nil {
			return nil, err
		} else if ok {
			names, err := o.list(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, names...)
			continue
		}
		names, err := filepath.Glob(p)
		if _, serr := os.Stat(p); serr == nil {
			names = []string{p}
		} else if err != nil {
			return nil, fmt.Errorf("corpus: pattern %q: %w", p, err)
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("corpus: no file matches %q", p)
		}
		for _, name := range names {
			err := filepath.WalkDir(name, func(at string, e fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return err
				case at != name && strings.HasPrefix(e.Name(), "."):
					if e.IsDir() {
						return fs.SkipDir
					}
				case e.Type().IsRegular() || at == name && !e.IsDir():
					all = append(all, at)
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("corpus: %w", err)
			}
		}
	}
	return all, nil
}

// reading is one walk over files: where documents go and how it went.
type reading struct {
	Import
	ctx       context.Context
	fields    Fields
	emit      func(Document) error
	badRecord func(BadRecord) error                          // nil: counted only
	jsonl     func(r io.Reader, name string) (Import, error) // a faster way for JSON lines, or nil
}

// bad takes note of a record that could not be read.
func (in *reading) bad(source, format string, args ...any) error {
	b := BadRecord{Source: source, Reason: fmt.Sprintf(format, args...)}
	in.add(b)
	if in.badRecord != nil {
		return in.badRecord(b)
	}
	return nil
}

// emitError is an error that ends the whole walk: what emit returned, or cancellation. What a file did wrong is none.
type emitError struct{ error }

func (e emitError) Unwrap() error { return e.error }

func (in *reading) document(d Document) error {
	if err := in.ctx.Err(); err != nil {
		return emitError{err}
	}
	if d.ID == "" {
		d.ID = d.Source
	}
	if err := in.emit(d); err != nil {
		return emitError{err}
	}
	return nil
}

// file reads one file; its own errors become a bad record.
func (in *reading) file(name string) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	err := in.openFile(name)
	var stop emitError
	if errors.As(err, &stop) {
		return stop.error
	}
	if err != nil {
		return in.bad(name, "%v", err)
	}
	return nil
}

func (in *reading) openFile(name string) error {
	if o, ok, err := remote(name); err != nil {
		return err
	} else if ok {
		return in.remote(o)
	}
	if table := in.table(name); table != nil {
		return table(name, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return in.stream(f, name, filepath.Base(name))
}

// table returns how files that cannot be streamed are read; nil for others.
func (in *reading) table(name string) func(path, source string) error {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".parquet":
		return in.parquet
	case ".arrow":
		return in.arrow
	}
	return nil
}

// remote streams an object, or fetches it first where its format needs that.
func (in *reading) remote(o object) error {
	if table := in.table(o.base()); table != nil {
		dir, err := os.MkdirTemp("", "quire-fetch-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		to := filepath.Join(dir, "object"+path.Ext(o.base()))
		if err := o.fetch(in.ctx, to); err != nil {
			return mismatch(err)
		}
		return table(to, o.String())
	}
	r := o.open(in.ctx, 0, "", sha256.New())
	defer r.Close()
	err := in.stream(r, o.String(), o.base())
	if o.sha256 != "" && !errors.As(err, new(emitError)) { // what the format leaves unread belongs to the hash
		if _, rest := io.Copy(io.Discard, r); err == nil || errors.As(rest, new(wrongContent)) {
			err = rest
		}
	}
	return mismatch(err)
}

// mismatch makes wrong content end the walk.
func mismatch(err error) error {
	if errors.As(err, new(wrongContent)) {
		return emitError{fmt.Errorf("corpus: %w", err)}
	}
	return err
}

// stream reads r as the format that its name tells. source is how documents call it.
func (in *reading) stream(r io.Reader, source, name string) error {
	ext := strings.ToLower(filepath.Ext(name))
	if ext == ".tgz" {
		ext, name = ".gz", strings.TrimSuffix(name, filepath.Ext(name))+".tar.gz"
	}
	if open, ok := decompressors[ext]; ok {
		z, err := open(r)
		if err != nil {
			return err
		}
		defer z.Close()
		return in.stream(z, source, strings.TrimSuffix(name, filepath.Ext(name)))
	}
	switch ext {
	case ".jsonl", ".ndjson", ".json":
		return in.json(r, source)
	case ".csv":
		return in.csv(r, source, ',')
	case ".tsv":
		return in.csv(r, source, '\t')
	case ".warc", ".wet":
		return in.warc(r, source)
	case ".tar":
		return in.tar(r, source)
	case ".parquet", ".arrow":
		return fmt.Errorf("%s inside an archive or compressed: unpack it first", ext)
	default:
		return in.whole(r, source)
	}
}

var decompressors = map[string]func(io.Reader) (io.ReadCloser, error){
	".gz": func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(bufio.NewReaderSize(r, 1<<20)) },
	".zst": func(r io.Reader) (io.ReadCloser, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	},
	".bz2": func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(bzip2.NewReader(bufio.NewReaderSize(r, 1<<20))), nil
	},
}

// tar reads the members of an archive. One that cannot be read does not keep the next from being read, where the archive allows it.
func (in *reading) tar(r io.Reader, source string) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("broken archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg || strings.HasPrefix(filepath.Base(h.Name), ".") {
			continue
		}
		member := source + "/" + h.Name
		var stop emitError
		if err := in.stream(t, member, filepath.Base(h.Name)); errors.As(err, &stop) {
			return stop
		} else if err != nil {
			if err := in.bad(member, "%v", err); err != nil {
				return emitError{err}
			}
		}
	}
}

// maxDocument is the largest document read as a whole.
const maxDocument = 1 << 30

// whole reads r as one document.
func (in *reading) whole(r io.Reader, source string) error {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return err
	}
	if len(b) > maxDocument {
		return fmt.Errorf("larger than %d bytes: not one document", maxDocument)
	}
	if i := slices.Index(b[:min(len(b), 8000)], 0); i >= 0 {
		return fmt.Errorf("byte %d is 0: not a text file", i)
	}
	return in.document(Document{Text: string(b), Source: source})
}
