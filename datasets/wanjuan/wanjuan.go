// Package wanjuan reads WanJuan 1.0: texts, image-text documents and exam questions, as JSON lines in tar.gz archives.
package wanjuan

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "wanjuan", Title: "WanJuan 1.0 (书生·万卷)", Homepage: "https://opendatalab.org.cn/OpenDataLab/WanJuan1_dot_0", Licence: "CC-BY-4.0",
	Languages: []string{"zh", "en"}, Source: "He et al. 2023, arXiv:2308.10755",
	Splits: "none: raw/nlp/{CN,EN}/{WebText,Law,ChinaNews,Exam,Patent,TextBook,Wiki}-{cn,en}/*.tar.gz",
}

// Texts reads {"id","content"} records.
func Texts(ctx context.Context, patterns ...string) iter.Seq2[corpus.Document, error] {
	return corpus.Read(ctx, corpus.Fields{ID: "id", Text: "content"}, patterns...)
}

// Image is one picture of an image-text document, which its text names as ![](URL).
type Image struct {
	URL     string `json:"url"`
	SHA256  string `json:"sha256"`
	Caption string `json:"caption"`
	Width   string `json:"width"` // numbers are written as text
	Height  string `json:"height"`
}

// ImageText is a Markdown document with pictures.
type ImageText struct {
	ID      string
	Content string
	Images  []Image
}

// ImageTexts reads image-text records.
func ImageTexts(ctx context.Context, patterns ...string) iter.Seq2[ImageText, error] {
	type fields struct {
		Images []Image `json:"img_list"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "content", patterns...), func(r datasets.Record[fields]) (ImageText, error) {
		t := ImageText{ID: r.ID, Content: r.Text, Images: r.Fields.Images}
		for _, img := range t.Images {
			if !strings.Contains(t.Content, img.URL) {
				return t, fmt.Errorf("document %s does not show its picture %s", t.ID, img.URL)
			}
		}
		return t, nil
	})
}

// Exam is one exam question. Question has the choices of a multiple-choice question; other kinds have none.
type Exam struct {
	datasets.Question
	StdAnswer    string // as the source writes it
	Detail       string // the worked answer
	Grade, Major string
	Keypoint     string
	Kind         string
}

// Exams reads the records of Exam-cn.
func Exams(ctx context.Context, patterns ...string) iter.Seq2[Exam, error] {
	type fields struct {
		A        string `json:"option_a"`
		B        string `json:"option_b"`
		C        string `json:"option_c"`
		D        string `json:"option_d"`
		Std      string `json:"std_ans"`
		Answer   string `json:"answer"`
		Detail   string `json:"answer_detail"`
		Grade    string `json:"grade"`
		Major    string `json:"major"`
		Keypoint string `json:"keypoint"`
		Kind     string `json:"q_type"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "q_main", patterns...), func(r datasets.Record[fields]) (Exam, error) {
		f := r.Fields
		e := Exam{Question: datasets.Question{ID: r.ID, Subject: f.Major, Text: r.Text, Answer: -1}, StdAnswer: f.Std, Detail: f.Detail,
			Grade: f.Grade, Major: f.Major, Keypoint: f.Keypoint, Kind: f.Kind}
		if e.StdAnswer == "" {
			e.StdAnswer = f.Answer
		}
		if f.A != "" && f.B != "" {
			e.Choices = []string{f.A, f.B, f.C, f.D}
			if n, err := datasets.Letter(e.StdAnswer); err == nil && n < len(e.Choices) {
				e.Answer = n
			}
		}
		return e, nil
	})
}
