package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"quire/lib/infer"
	"quire/lib/infer/sample"
)

// textWriter writes what an engine generates: one text as it comes, several one after another, or a JSON object for each.
type textWriter struct {
	e          *infer.Engine
	out, notes io.Writer
	json       bool
}

func (w textWriter) write(ctx context.Context, r infer.Request) error {
	if w.json || r.N > 1 || r.Beams > 0 {
		return w.whole(ctx, r)
	}
	return w.stream(ctx, r)
}

// stream writes one text as it comes.
func (w textWriter) stream(ctx context.Context, r infer.Request) error {
	out := bufio.NewWriter(w.out)
	start, first, n := time.Now(), time.Time{}, 0
	finish := infer.Unfinished
	for tok, err := range w.e.Generate(ctx, r) {
		if err != nil {
			if n > 0 {
				fmt.Fprintln(w.out)
			}
			return err
		}
		if n++; n == 1 {
			first = time.Now()
		}
		out.WriteString(tok.Text)
		if err := out.Flush(); err != nil {
			return err
		}
		finish = tok.Finish
	}
	rate := ""
	if n > 1 {
		rate = fmt.Sprintf(", %.1f tok/s", float64(n-1)/time.Since(first).Seconds())
	}
	if _, err := fmt.Fprintln(w.out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w.notes, "%d tokens, first after %v%s, finish %s, seed %d%s\n", n, first.Sub(start).Round(time.Millisecond), rate, finish, r.Seed, w.guesses())
	return err
}

// textObject is a text in JSON.
type textObject struct {
	Text   string        `json:"text"`
	Finish infer.Finish  `json:"finish"`
	Seed   *uint64       `json:"seed,omitempty"`
	Score  *float32      `json:"score,omitempty"` // of beams
	Tokens []tokenObject `json:"tokens,omitempty"`
}

type tokenObject struct {
	ID      uint32        `json:"id"`
	Text    string        `json:"text"`
	LogProb float32       `json:"logprob"`
	Top     []tokenObject `json:"top,omitempty"`
}

// whole writes texts when all of them have ended.
func (w textWriter) whole(ctx context.Context, r infer.Request) error {
	start, n := time.Now(), 0
	texts, err := w.e.Complete(ctx, r)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w.out)
	enc.SetEscapeHTML(false)
	for i, t := range texts {
		n += len(t.Tokens)
		if w.json {
			err = enc.Encode(w.object(r, i, t))
		} else {
			if r.Beams > 0 {
				fmt.Fprintf(w.notes, "text %d of %d, finish %s, score %.4f:\n", i+1, len(texts), t.Finish, t.Score)
			} else {
				fmt.Fprintf(w.notes, "text %d of %d, finish %s, seed %d:\n", i+1, len(texts), t.Finish, r.Seed+uint64(i))
			}
			_, err = fmt.Fprintln(w.out, t.Text)
		}
		if err != nil {
			return err
		}
	}
	took := time.Since(start)
	_, err = fmt.Fprintf(w.notes, "%d tokens in %v, %.1f tok/s%s\n", n, took.Round(time.Millisecond), float64(n)/took.Seconds(), w.guesses())
	return err
}

// object is text i of a request.
func (w textWriter) object(r infer.Request, i int, t infer.Text) textObject {
	o := textObject{Text: t.Text, Finish: t.Finish}
	if seed := r.Seed + uint64(i); r.Beams > 0 {
		o.Score = &t.Score
	} else {
		o.Seed = &seed
	}
	if !r.LogProbs {
		return o
	}
	for _, tok := range t.Tokens {
		entry := w.token(sample.TokenProb{ID: tok.ID, LogProb: tok.LogProb})
		for _, p := range tok.Top {
			entry.Top = append(entry.Top, w.token(p))
		}
		o.Tokens = append(o.Tokens, entry)
	}
	return o
}

func (w textWriter) token(p sample.TokenProb) tokenObject {
	return tokenObject{ID: p.ID, Text: string(w.e.Tokenizer().Bytes(p.ID)), LogProb: p.LogProb}
}

func (w textWriter) guesses() string {
	s := w.e.Stats()
	if s.Guessed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of %d guesses right", s.Accepted, s.Guessed)
}
