// Package c4 reads C4 and mC4: web pages as JSON lines {"text","timestamp","url"} in .json.gz shards.
package c4

import (
	"context"
	"iter"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set. Its shards are too many to list; the hub that serves them gives each one's SHA-256: see [datasets.Sums].
var Card = datasets.Card{
	Name: "c4", Title: "Colossal Clean Crawled Corpus", Homepage: "https://huggingface.co/datasets/allenai/c4", Licence: "ODC-BY-1.0",
	Languages: []string{"en", "108 languages (mC4)"}, Source: "Raffel et al. 2020, arXiv:1910.10683; Xue et al. 2021, arXiv:2010.11934",
	Splits: "as published: en/c4-train.{00000…01023}-of-01024.json.gz, en/c4-validation.{00000…00007}-of-00008.json.gz",
}

// Read reads shards; the page's address and date are in the document's Meta.
func Read(ctx context.Context, patterns ...string) iter.Seq2[corpus.Document, error] {
	return corpus.Read(ctx, corpus.Fields{Text: "text"}, patterns...)
}
