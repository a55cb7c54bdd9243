// Package fineweb reads FineWeb, FineWeb-Edu and FineWeb 2: web pages as Parquet with dump, address, language and token count.
package fineweb

import (
	"context"
	"iter"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set. Its files are too many to list; the hub that serves them gives each one's SHA-256: see [datasets.Sums].
var Card = datasets.Card{
	Name: "fineweb", Title: "FineWeb", Homepage: "https://huggingface.co/datasets/HuggingFaceFW/fineweb", Licence: "ODC-BY-1.0",
	Languages: []string{"en", "1,000 languages (FineWeb 2)"}, Source: "Penedo et al. 2024, arXiv:2406.17557",
	Splits: "one: train, a folder a Common Crawl dump, and samples of 10, 100 and 350 billion tokens",
}

// Page is what FineWeb says of a document beside its text.
type Page struct {
	Dump          string  `json:"dump"`
	URL           string  `json:"url"`
	Date          string  `json:"date"`
	FilePath      string  `json:"file_path"`
	Language      string  `json:"language"`
	LanguageScore float64 `json:"language_score"`
	TokenCount    int64   `json:"token_count"`
	Score         float64 `json:"score"` // educational quality, 0 to 5: FineWeb-Edu only
}

// Read reads documents; their Meta is a Page as JSON.
func Read(ctx context.Context, patterns ...string) iter.Seq2[corpus.Document, error] {
	return corpus.Read(ctx, corpus.Fields{ID: "id", Text: "text"}, patterns...)
}

// Pages reads documents with what is said of them.
func Pages(ctx context.Context, patterns ...string) iter.Seq2[datasets.Record[Page], error] {
	return datasets.Records[Page](ctx, "text", patterns...)
}
