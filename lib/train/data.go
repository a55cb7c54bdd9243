package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"quire/lib/corpus/mix"
	"quire/lib/corpus/shard"
)

// data is the open shards of a run, and the feed that training draws from.
type data struct {
	train, valid []mix.Source
	language     map[string]string // of each source
	cfg          mix.Config        // of the training stream
	feed         *feed
	vocab        int
	window       int
	seed         uint64
	shards       []*shard.Shard
}

// openData opens the shards of a configuration and starts the feed.
func openData(c Config) (*data, error) {
	d := &data{language: map[string]string{}, vocab: c.Model.VocabSize, window: c.Shuffle, seed: c.Seed}
	if err := d.start(c); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *data) start(c Config) (err error) {
	if d.train, err = d.open(c.Data); err != nil {
		return err
	}
	if d.valid, err = d.open(c.Valid); err != nil {
		return err
	}
	packing, err := c.packing()
	if err != nil {
		return err
	}
	d.cfg = mix.Config{Sources: d.train, SeqLen: c.SeqLen, Seed: c.Seed, Packing: packing, BOS: c.BOS, EOS: c.EOS}
	if c.HoldOut > 0 {
		d.cfg.Split = mix.Split{From: 0, To: 1 - c.HoldOut}
	}
	return d.rewind()
}

// open opens the shards of sources.
func (d *data) open(sources []Source) (out []mix.Source, err error) {
	for _, s := range sources {
		d.language[s.Name] = s.Language
		m := mix.Source{Name: s.Name, Weight: s.Weight, Epochs: s.Epochs}
		for _, pattern := range s.Shards {
			files, err := filepath.Glob(pattern)
			if err != nil || len(files) == 0 {
				return nil, fmt.Errorf("train: source %q: no file %s", s.Name, pattern)
			}
			slices.Sort(files)
			for _, file := range files {
				sh, err := shard.Open(file)
				if err != nil {
					return nil, fmt.Errorf("train: source %q: %w", s.Name, err)
				}
				d.shards = append(d.shards, sh)
				m.Shards = append(m.Shards, sh)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// hashes are the names of the shards by their content: what a checkpoint says that it was trained on.
func (d *data) hashes() (all []string) {
	for _, sh := range d.shards {
		all = append(all, sh.Hash().String())
	}
	return all
}

// rewind starts the data from the beginning.
func (d *data) rewind() error {
	stream, err := mix.New(d.cfg)
	if err != nil {
		return err
	}
	d.feed = newFeed(stream, d.seed, d.window)
	return nil
}

// rows draws the n rows of a batch; io.EOF when fewer are left.
func (d *data) rows(n int) ([]mix.Row, error) { return drawRows(d.feed.row, d.train, d.vocab, n) }

func drawRows(next func() (mix.Row, error), sources []mix.Source, vocab, n int) (rows []mix.Row, err error) {
	for range n {
		row, err := next()
		if err != nil {
			return rows, err
		}
		if err := checkIDs(row, sources, vocab); err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// checkIDs reports a token that the model has no embedding for.
func checkIDs(row mix.Row, sources []mix.Source, vocab int) error {
	for _, s := range row.Spans {
		for _, id := range row.IDs[s.Start:s.End] {
			if int64(id) >= int64(vocab) {
				sh := sources[s.Source].Shards[s.Shard]
				return fmt.Errorf("train: %s: document %q has token %d and the model's vocabulary has %d: use the tokenizer that the shards were made with, and its vocabulary size in the model",
					sh.Path(), sh.ID(s.Doc), id, vocab)
			}
		}
	}
	return nil
}

// held returns a stream over a source's evaluation data: its held-out documents, or all of a source of Valid, each once.
func (d *data) held(src mix.Source, split mix.Split) (*mix.Stream, error) {
	src.Weight, src.Epochs = 1, 1
	c := d.cfg
	c.Sources, c.Split, c.Packing, c.KeepLast, c.Seed = []mix.Source{src}, split, mix.Concat, true, 0
	return mix.New(c)
}

func (d *data) Close() error {
	var errs []error
	for _, s := range d.shards {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
