package shard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"

	"github.com/zeebo/xxh3"

	"quire/lib/corpus"
	"quire/lib/corpus/internal/ordered"
	"quire/lib/corpus/internal/whole"
	"quire/lib/token"
)

// TokenizeConfig says how a corpus becomes shards. The zero value encodes texts as they are.
type TokenizeConfig struct {
	Options       token.Options
	Before, After []uint32          // put around every document; mix puts BOS and EOS around them itself
	ShardTokens   int64             // a shard ends with the document that reaches this; 0 is DefaultShardTokens
	Meta          map[string]string // kept with the shards, beside "tokenizer", the hash of its vocabulary, and "encoding"
	Workers       int               // 0: all cores
	// Progress, where not nil, is told how far the work is. One goroutine calls it.
	Progress func(docs, total int, tokens int64)
}

// DefaultShardTokens makes shards of 2 or 4 GiB.
const DefaultShardTokens = 1 << 30

// Tokenize encodes the documents into the folder's shards, 00000.tok and on, and opens them. It holds a few megabytes of text for each
// worker, and the same corpus and configuration give the same bytes for any number of workers.
//
// Shards that are there already, from a run that was cut off, are kept and continued: their documents must be the corpus's first.
func Tokenize(ctx context.Context, dir string, c *corpus.Corpus, tok *token.Tokenizer, cfg TokenizeConfig) ([]*Shard, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	if err := whole.Sweep(dir); err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	meta, err := tokenizeMeta(tok, cfg)
	if err != nil {
		return nil, err
	}
	t := &tokenizing{cfg: cfg, tok: tok, dir: dir, corpus: c, limit: cmp.Or(cfg.ShardTokens, DefaultShardTokens),
		options: Options{VocabSize: tok.VocabSize(), Meta: meta}}
	if err := t.resume(); err != nil {
		return nil, err
	}
	workers := cmp.Or(cfg.Workers, runtime.GOMAXPROCS(0))
	err = ordered.Map(ctx, workers, t.pieces(), t.encode, t.append)
	if err == nil {
		err = t.close()
	}
	if err != nil {
		t.abort()
		return nil, err
	}
	return OpenAll(dir)
}

// OpenAll opens the shards of a folder, *.tok in order of name.
func OpenAll(dir string) ([]*Shard, error) {
	var all []*Shard
	for _, path := range listed(dir) {
		s, err := Open(path)
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("shard: %s holds no *.tok file: make some with shard.Tokenize", dir)
	}
	return all, nil
}

func listed(dir string) (paths []string) {
	entries, _ := os.ReadDir(dir) // no folder, no shards
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".tok" {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// tokenizeMeta tells which ids a shard holds.
func tokenizeMeta(tok *token.Tokenizer, cfg TokenizeConfig) (map[string]string, error) {
	encoding, err := json.Marshal(struct {
		Options       token.Options
		Before, After []uint32
	}{cfg.Options, cfg.Before, cfg.After})
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	h := xxh3.New()
	for id, piece := range tok.All() {
		fmt.Fprintf(h, "%d %q\n", id, piece)
	}
	for _, m := range tok.Merges() {
		fmt.Fprintf(h, "%v\n", m)
	}
	meta := maps.Clone(cfg.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	sum := h.Sum128().Bytes()
	meta["tokenizer"], meta["encoding"] = Hash(sum).String(), string(encoding)
	return meta, nil
}

// tokenizing is one call of Tokenize.
type tokenizing struct {
	cfg     TokenizeConfig
	tok     *token.Tokenizer
	dir     string
	corpus  *corpus.Corpus
	limit   int64
	options Options

	skip   int // documents that are done already
	docs   int
	tokens int64
	shards int
	w      *Writer
}

func (t *tokenizing) path(i int) string { return filepath.Join(t.dir, fmt.Sprintf("%05d.tok", i)) }

// resume counts what is there and removes a last shard that would have been filled further.
func (t *tokenizing) resume() error {
	next, stop := iter.Pull2(t.corpus.Docs())
	defer stop()
	for {
		path := t.path(t.shards)
		s, err := Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			t.docs = t.skip
			return nil
		}
		if err != nil {
			return err
		}
		err = t.check(s, next)
		docs, tokens := s.Docs(), s.Tokens()
		s.Close()
		if err != nil {
			return fmt.Errorf("shard: %s %w: remove it or choose another folder", path, err)
		}
		if tokens < t.limit && t.skip+docs < t.corpus.NumDocs() {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("shard: %w", err)
			}
			continue
		}
		t.skip, t.tokens, t.shards = t.skip+docs, t.tokens+tokens, t.shards+1
	}
}

// check compares a shard that is there with the documents that would be in it.
func (t *tokenizing) check(s *Shard, next func() (corpus.Document, error, bool)) error {
	if !maps.Equal(s.meta, t.options.Meta) {
		return errors.New("was made with another tokenizer or configuration")
	}
	for i := range s.Docs() {
		d, err, ok := next()
		if err != nil {
			return fmt.Errorf("cannot be compared: %w", err)
		}
		if !ok {
			return errors.New("holds more documents than the corpus")
		}
		if d.ID != s.ID(i) {
			return fmt.Errorf("holds document %q where the corpus has %q", s.ID(i), d.ID)
		}
	}
	return nil
}

// A worker takes documents of about pieceBytes at a time, but no more than pieceDocs.
const (
	pieceBytes = 1 << 20
	pieceDocs  = 4096
)

// texts is a run of documents that one worker encodes, and what becomes of it.
type texts struct {
	batch    corpus.Batch
	from, to int
	ids      []uint32
	ends     []int
}

// pieces cuts what is to be done.
func (t *tokenizing) pieces() iter.Seq2[*texts, error] {
	return func(yield func(*texts, error) bool) {
		skip := t.skip
		for b, err := range t.corpus.Batches() {
			if err != nil {
				yield(nil, err)
				return
			}
			from := min(skip, b.Len())
			skip -= from
			size, text := 0, b.Text()
			for i := from; i < b.Len(); i++ {
				size += text.ValueLen(b.Row(i))
				if i+1-from == pieceDocs || size >= pieceBytes || i+1 == b.Len() {
					if !yield(&texts{batch: b, from: from, to: i + 1}, nil) {
						return
					}
					from, size = i+1, 0
				}
			}
		}
	}
}

func (t *tokenizing) encode(ctx context.Context, p *texts) (*texts, error) {
	text := p.batch.Text()
	size := 0
	for i := p.from; i < p.to; i++ {
		size += text.ValueLen(p.batch.Row(i))/3 + len(t.cfg.Before) + len(t.cfg.After)
	}
	p.ids, p.ends = make([]uint32, 0, size), make([]int, 0, p.to-p.from)
	for i := p.from; i < p.to; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.ids = append(p.ids, t.cfg.Before...)
		var err error
		if p.ids, err = t.tok.AppendEncode(p.ids, text.Value(p.batch.Row(i)), t.cfg.Options); err != nil {
			return nil, fmt.Errorf("shard: document %q: %w", p.batch.Doc(i).ID, err)
		}
		p.ids = append(p.ids, t.cfg.After...)
		p.ends = append(p.ends, len(p.ids))
	}
	return p, nil
}

func (t *tokenizing) append(p *texts) error {
	start := 0
	for k, end := range p.ends {
		if t.w == nil {
			var err error
			if t.w, err = Create(t.path(t.shards), t.options); err != nil {
				return err
			}
		}
		if err := t.w.Append(p.batch.Doc(p.from+k).ID, p.ids[start:end]); err != nil {
			return err
		}
		if t.w.Tokens() >= t.limit {
			if err := t.close(); err != nil {
				return err
			}
		}
		t.tokens += int64(end - start)
		start = end
	}
	if t.docs += p.to - p.from; t.cfg.Progress != nil {
		t.cfg.Progress(t.docs, t.corpus.NumDocs(), t.tokens)
	}
	return nil
}

// close ends the shard in work. A corpus without documents makes one shard without documents.
func (t *tokenizing) close() error {
	if t.w == nil && t.shards > 0 {
		return nil
	}
	w := t.w
	if w == nil {
		var err error
		if w, err = Create(t.path(0), t.options); err != nil {
			return err
		}
	}
	t.w = nil
	t.shards++
	return w.Close()
}

func (t *tokenizing) abort() {
	if t.w != nil {
		t.w.Abort()
	}
}
