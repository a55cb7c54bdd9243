package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"quire/lib/corpus"
	"quire/lib/show"
	"quire/lib/token"
)

// corpusCmd groups what makes training data. Every command prints one JSON report to standard output.
type corpusCmd struct {
	Stats   corpusStatsCmd   `cmd:"" help:"Say what files or a corpus hold: documents, bytes, tokens, languages, licences."`
	Extract corpusExtractCmd `cmd:"" help:"Make text of web pages: HTML files, WARC."`
	Clean   corpusCleanCmd   `cmd:"" help:"Judge documents by published rules; say what each would drop and write what is kept."`
	Dedup   corpusDedupCmd   `cmd:"" help:"Drop documents that are there more than once, nearly or exactly; cut out repeated lines and stretches."`
	Convert corpusConvertCmd `cmd:"" help:"Write files or a corpus in another format, as documents or as tokens."`
}

// corpusInput is what corpus commands read: a corpus, or files of any kind that corpus.Build reads.
type corpusInput struct {
	Files []string `arg:"" placeholder:"FILE" help:"A corpus (.arrow), or files, globs, folders and URLs: JSONL, CSV, Parquet, text, Markdown, HTML, WARC, archives of them, compressed or not."`
	ID    string   `placeholder:"FIELD" help:"Field of a record that is its id; default: id, doc_id, _id."`
	Text  string   `placeholder:"FIELD" help:"Field of a record that is its text; default: content, text, raw_content, article."`
}

// open returns the input as a corpus; done closes it and removes what was built for it.
func (in *corpusInput) open(ctx context.Context) (c *corpus.Corpus, im corpus.Import, done func() error, err error) {
	if len(in.Files) == 1 && (filepath.Ext(in.Files[0]) == ".arrow" || holdsArrow(in.Files[0])) {
		if c, err = corpus.Open(in.Files[0]); err != nil {
			return nil, im, nil, err
		}
		return c, im, c.Close, nil
	}
	dir, err := os.MkdirTemp("", "quire-corpus-*")
	if err != nil {
		return nil, im, nil, err
	}
	c, im, err = corpus.Build(ctx, filepath.Join(dir, "corpus.arrow"), corpus.Fields{ID: in.ID, Text: in.Text}, in.Files...)
	if err != nil {
		return nil, im, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, im, func() error { return errors.Join(c.Close(), os.RemoveAll(dir)) }, nil
}

func holdsArrow(dir string) bool {
	names, err := filepath.Glob(filepath.Join(dir, "*.arrow"))
	return err == nil && len(names) > 0
}

// badRecords is the part of a report about what could not be read.
type badRecords struct {
	Count int      `json:"count"`
	First []string `json:"first,omitempty"`
}

func badOf(im corpus.Import) *badRecords {
	if im.Bad == 0 {
		return nil
	}
	b := &badRecords{}
	for _, r := range im.First {
		b.add(&r)
	}
	b.Count = im.Bad
	return b
}

// maxShown is how many bad records a report names.
const maxShown = 20

func (b *badRecords) add(r *corpus.BadRecord) {
	if b.Count++; len(b.First) < maxShown {
		b.First = append(b.First, r.Source+": "+r.Reason)
	}
}

// printReport writes a value to standard output as JSON.
func printReport(v any) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// corpusStatsCmd prints a datasheet.
type corpusStatsCmd struct {
	corpusInput
	Model         string `short:"m" placeholder:"FILE" help:"Tokenizer to count tokens with: .model, tokenizer.json, .tiktoken, .gguf or a model's folder."`
	Name          string `help:"What the report calls the corpus."`
	Part          string `enum:"folder,file,none" default:"none" help:"Count parts of the corpus: by folder or file that documents were read from, or none."`
	LanguageModel string `placeholder:"FILE" help:"fastText model (.ftz, .bin) that tells the languages of documents that do not say theirs; default: the built-in classifier."`
}

// Run implements kong's command.
func (c *corpusStatsCmd) Run(ctx context.Context) error {
	labels, err := languageLabels(c.LanguageModel)
	if err != nil {
		return err
	}
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	cfg := corpus.DatasheetConfig{Name: c.Name, Part: partOf(c.Part), Detect: func(text string) string {
		code, _ := labels.Best(text)
		return code
	}}
	if c.Model != "" {
		t, err := token.Load(c.Model)
		if err != nil {
			return errors.Join(err, done())
		}
		cfg.Count = func(text string) (int, error) { return t.Count(text, token.Options{}) }
	}
	bar := progress{name: "count"}
	cfg.Progress = bar.set
	sheet, err := in.Datasheet(ctx, cfg)
	bar.end()
	if err = errors.Join(err, done()); err != nil {
		return err
	}
	return printReport(struct {
		*corpus.Datasheet
		Bad *badRecords `json:"bad,omitempty"`
	}{sheet, badOf(im)})
}

// partOf returns how a document's part is read off its source.
func partOf(by string) func(corpus.Document) string {
	switch by {
	case "file":
		return func(d corpus.Document) string { return filepath.Base(fileOf(d.Source)) }
	case "folder":
		return func(d corpus.Document) string { return filepath.Base(filepath.Dir(fileOf(d.Source))) }
	}
	return nil
}

// place is what sources have behind the file's name: a line, or a record's number.
var place = regexp.MustCompile(`(:\d+|\[\d+\])$`)

func fileOf(source string) string { return place.ReplaceAllString(source, "") }

// progress is a bar on standard error, which begins with the first step.
type progress struct {
	name string
	bar  *show.ProgressBar
}

func (p *progress) set(done, total int) {
	if p.bar == nil {
		show.Install(show.NewTerminal(os.Stderr))
		p.bar = show.NewProgress(total, p.name).Unit("doc")
	}
	p.bar.Set(done)
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Done()
	}
}
