package corpus

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"
)

// Fields says which fields of a record become a document's ID and text; a dot reaches into objects ("meta.id"). Empty names are looked
// up among the ones that published corpora use: id, doc_id, _id for the ID; content (WanJuan), text (C4, FineWeb, The Pile),
// raw_content (RedPajama), article for the text; with both names empty, a record may be a text alone.
type Fields struct {
	ID   string
	Text string
}

var (
	usualIDs   = []string{"id", "doc_id", "_id"}
	usualTexts = []string{"content", "text", "raw_content", "article"}
)

// BadRecord is a record that could not be read. Reading goes on behind it.
type BadRecord struct {
	Source string // file, member and line
	Reason string
}

func (b *BadRecord) Error() string { return "corpus: " + b.Source + ": " + b.Reason }

// recordParser turns JSON values into documents. It reuses its memory: a document is valid until the next call.
type recordParser struct {
	json        fastjson.Parser
	id, text    []string // alternatives
	given       Fields
	meta, idBuf []byte
}

func newRecordParser(f Fields) *recordParser {
	p := &recordParser{given: f, id: usualIDs, text: usualTexts}
	if f.ID != "" {
		p.id = []string{f.ID}
	}
	if f.Text != "" {
		p.text = []string{f.Text}
	}
	return p
}

// parse reads one JSON value. The document's strings alias the parser's memory.
func (p *recordParser) parse(line []byte) (d Document, reason string) {
	v, err := p.json.ParseBytes(line)
	if err != nil {
		return d, "not JSON: " + err.Error()
	}
	if b, err := v.StringBytes(); err == nil && p.given == (Fields{}) {
		d.Text = alias(b)
		return d, ""
	}
	obj, err := v.Object()
	if err != nil {
		return d, "a JSON " + v.Type().String() + " where an object was expected"
	}
	textName, text := lookup(v, p.text)
	if text == nil {
		return d, fmt.Sprintf("no field %s (the record has %s): name the text's field in Fields.Text", strings.Join(p.text, ", "), keys(obj))
	}
	b, err := text.StringBytes()
	if err != nil {
		return d, fmt.Sprintf("field %q is a JSON %s, not a string", textName, text.Type())
	}
	d.Text = alias(b)
	idName, id := lookup(v, p.id)
	switch {
	case id == nil && p.given.ID != "":
		return d, fmt.Sprintf("no field %q (the record has %s): name the id's field in Fields.ID", p.given.ID, keys(obj))
	case id == nil:
	case id.Type() == fastjson.TypeString:
		b, _ := id.StringBytes()
		d.ID = alias(b)
	default:
		p.idBuf = id.MarshalTo(p.idBuf[:0])
		d.ID = alias(p.idBuf)
	}
	p.meta = appendRest(p.meta[:0], obj, textName, idName)
	d.Meta = alias(p.meta)
	return d, ""
}

// appendRest appends the object without the two named fields; a name with a dot names a field of an inner object, which stays.
func appendRest(dst []byte, obj *fastjson.Object, text, id string) []byte {
	start := len(dst)
	obj.Visit(func(key []byte, v *fastjson.Value) {
		if string(key) == text || string(key) == id {
			return
		}
		sep := byte(',')
		if len(dst) == start {
			sep = '{'
		}
		dst = append(dst, sep)
		dst = appendJSONString(dst, key)
		dst = append(dst, ':')
		dst = v.MarshalTo(dst)
	})
	if len(dst) > start {
		dst = append(dst, '}')
	}
	return dst
}

func lookup(v *fastjson.Value, names []string) (string, *fastjson.Value) {
	for _, name := range names {
		if got := v.Get(name); got != nil {
			return name, got
		}
		if strings.Contains(name, ".") {
			if got := v.Get(strings.Split(name, ".")...); got != nil {
				return name, got
			}
		}
	}
	return "", nil
}

func keys(obj *fastjson.Object) string {
	var names []string
	obj.Visit(func(key []byte, _ *fastjson.Value) {
		if len(names) < 8 {
			names = append(names, string(key))
		}
	})
	if len(names) == 0 {
		return "no field"
	}
	return strings.Join(names, ", ")
}
