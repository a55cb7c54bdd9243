package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/corpus"
	"quire/lib/dedup"
)

// corpusDedupCmd drops documents that a corpus has more than once and cuts out what it says more than once, one method after the
// other. What a method drops, the next does not see.
type corpusDedupCmd struct {
	corpusInput
	Out      string   `short:"o" placeholder:"PATH" help:"Where to write what is kept: .arrow, .jsonl, .jsonl.gz, .jsonl.zst or .parquet; default: only report."`
	Method   []string `enum:"exact,minhash,lines,paragraphs,sentences,substrings" default:"exact,minhash" help:"Methods, in order: exact, minhash; lines, paragraphs, sentences (spans of three, as C4) and substrings cut repeated text out."`
	Settings string   `enum:"datatrove,internlm" default:"datatrove" help:"Of minhash: datatrove (14 bands of 8 hashes) or internlm (128 hashes, similarity 0.7)."`
	Keep     string   `default:"first" placeholder:"WHICH" help:"Document of a cluster that is kept: first, longest, or the name of a numeric column whose greatest value wins."`
	Index    string   `placeholder:"DIR" help:"Folder of indexes of what was seen before, made where it is missing: the methods compare with them and add to them. That of substrings holds text."`
	MinBytes int      `default:"200" help:"Of substrings: the shortest stretch that is cut out."`
}

// dedupReport is what the command prints.
type dedupReport struct {
	Input   int            `json:"input_documents"`
	Bytes   int64          `json:"input_bytes"`
	Methods []methodReport `json:"methods"`
	Kept    corpus.Share   `json:"kept"`
	Output  string         `json:"output,omitempty"`
	Seconds float64        `json:"seconds"`
	Bad     *badRecords    `json:"bad,omitempty"`
}

// methodReport is what one method did.
type methodReport struct {
	Method   string  `json:"method"`
	Input    int     `json:"input_documents"`
	Dropped  int     `json:"dropped"`
	Clusters int     `json:"clusters,omitempty"` // of several documents, or of one that an index has
	Largest  int     `json:"largest,omitempty"`  // documents in a cluster
	Cut      int64   `json:"cut_bytes,omitempty"`
	Seconds  float64 `json:"seconds"`
}

// Run implements kong's command.
func (c *corpusDedupCmd) Run(ctx context.Context) (err error) {
	start := time.Now()
	if c.Index != "" {
		if err := os.MkdirAll(c.Index, 0o755); err != nil {
			return err
		}
	}
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	report := dedupReport{Input: in.NumDocs(), Output: c.Out, Bad: badOf(im)}
	if report.Bytes, err = textBytes(in); err != nil {
		return err
	}
	for _, method := range c.Method {
		began := time.Now()
		m := methodReport{Method: method, Input: in.NumDocs()}
		out, removed, stepErr := c.step(ctx, method, in, &m)
		if stepErr != nil {
			return stepErr
		}
		defer func() { err = errors.Join(err, removed()) }()
		m.Dropped, m.Seconds = in.NumDocs()-out.NumDocs(), time.Since(began).Seconds()
		report.Methods = append(report.Methods, m)
		in = out
	}
	kept, err := textBytes(in)
	if err != nil {
		return err
	}
	report.Kept = corpus.Share{Name: "kept", Documents: in.NumDocs(), Bytes: kept, Share: float64(kept) / float64(max(report.Bytes, 1))}
	if c.Out != "" {
		if err := in.Export(ctx, c.Out, corpus.ExportConfig{}); err != nil {
			return err
		}
	}
	report.Seconds = time.Since(start).Seconds()
	return printReport(report)
}

// step runs one method and returns what it leaves.
func (c *corpusDedupCmd) step(ctx context.Context, method string, in *corpus.Corpus, m *methodReport) (out *corpus.Corpus, removed func() error, err error) {
	switch method {
	case "exact", "minhash":
		out, err = c.documents(ctx, method, in, m)
		return out, func() error { return nil }, err
	case "substrings":
		cfg := dedup.LeeSubstrings()
		cfg.MinBytes = c.MinBytes
		cfg.Index, cfg.Save = c.index(method)
		out, err = dedup.Substrings(ctx, in, cfg)
	case "lines":
		out, err = c.pieces(ctx, method, in, dedup.RepeatedLines())
	case "paragraphs":
		out, err = c.pieces(ctx, method, in, dedup.PieceConfig{Unit: dedup.Paragraphs, Count: 1, MinChars: 1, MaxShare: 1})
	case "sentences":
		out, err = c.pieces(ctx, method, in, dedup.C4Spans())
	}
	if err != nil {
		return nil, nil, err
	}
	before, err := textBytes(in)
	if err != nil {
		return nil, nil, err
	}
	out, removed, err = rewrite(ctx, out, func(b corpus.Batch, i int) (corpus.Document, bool) {
		d := b.Doc(i)
		d.Text = dedup.Cut(b, i, method+".spans")
		return d, d.Text != ""
	})
	if err != nil {
		return nil, nil, err
	}
	after, err := textBytes(out)
	m.Cut = before - after
	return out, removed, err
}

// index returns the method's index, and the same to compare with if it is there; "" where none is kept.
func (c *corpusDedupCmd) index(method string) (index, save string) {
	if c.Index == "" {
		return "", ""
	}
	save = filepath.Join(c.Index, method+".idx")
	if _, err := os.Stat(save); err == nil {
		index = save
	}
	return index, save
}

func (c *corpusDedupCmd) pieces(ctx context.Context, method string, in *corpus.Corpus, cfg dedup.PieceConfig) (*corpus.Corpus, error) {
	cfg.Index, cfg.Save = c.index(method)
	return dedup.Pieces(ctx, in, cfg)
}

// documents drops whole documents.
func (c *corpusDedupCmd) documents(ctx context.Context, method string, in *corpus.Corpus, m *methodReport) (*corpus.Corpus, error) {
	var o dedup.Options
	switch c.Keep {
	case "first":
	case "longest":
		o.Score = dedup.Longest
	default:
		if !in.Schema().HasField(c.Keep) {
			return nil, fmt.Errorf("quire corpus dedup: --keep: the corpus has no column %q", c.Keep)
		}
		o.Score = dedup.Greatest(c.Keep)
	}
	o.Index, o.Save = c.index(method)
	var out *corpus.Corpus
	var err error
	if method == "exact" {
		out, err = dedup.Exact(ctx, in, o)
	} else {
		cfg := dedup.DataTrove()
		if c.Settings == "internlm" {
			cfg = dedup.InternLM()
		}
		out, err = dedup.MinHash(ctx, in, cfg, o)
	}
	if err != nil {
		return nil, err
	}
	if err := m.clusters(out, method); err != nil {
		return nil, err
	}
	return dedup.Kept(out, method+".keep")
}

// clusters counts the clusters in which a document was dropped.
func (m *methodReport) clusters(c *corpus.Corpus, method string) error {
	keep, cluster := c.Schema().FieldIndices(method + ".keep")[0], c.Schema().FieldIndices(method + ".cluster")[0]
	sizes := map[int64]int{}
	dropped := map[int64]bool{}
	for b, err := range c.Batches() {
		if err != nil {
			return err
		}
		for i := range b.Len() {
			id := b.Record.Column(cluster).(*array.Int64).Value(b.Row(i))
			sizes[id]++
			if !b.Record.Column(keep).(*array.Boolean).Value(b.Row(i)) {
				dropped[id] = true
			}
		}
	}
	for id := range dropped {
		m.Clusters++
		m.Largest = max(m.Largest, sizes[id])
	}
	return nil
}
