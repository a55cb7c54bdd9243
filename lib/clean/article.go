package clean

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// MainText returns the title and the main text of a web page: the article without menus, teasers, comments, captions and forms, one
// paragraph a line, blank lines between them, preformatted text as it is. ok is false where the page has no text of an article's kind; text is empty then.
//
// The page becomes a sequence of blocks (paragraphs, headings, list items), each with its length, its share of link text and its place
// in the tree. The element whose blocks read most like prose is the article (the idea of readability: paragraphs vote for their
// parents); blocks around it join it while they read alike; blocks inside it that are links, or that carry the marks of a page's frame
// (tags, classes and roles), go. Where a page tells its text in JSON-LD (articleBody) and its markup holds less, that is taken.
func MainText(page string) (title, text string, ok bool) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return "", "", false
	}
	p := newPage(doc, true)
	title = p.title()
	if text = p.article(title); utf8.RuneCountInString(text) < minArticle {
		text = newPage(doc, false).article(title)
	}
	if told := told(doc); len(text) < len(told)*2/3 {
		text = told
	}
	if utf8.RuneCountInString(text) < minArticle {
		return title, "", false
	}
	return title, text, true
}

// minArticle is the number of characters below which a text is no article.
const minArticle = 80

// block is a run of text that the page sets apart.
type block struct {
	text   string
	tag    atom.Atom // of the innermost block element
	links  int       // bytes of text in links
	good   float64   // how much prose: bytes that are no links, less where it does not read as prose
	quoted bool      // within a block quotation
	parent *element
}

// element is a block element of the page with the prose in it.
type element struct {
	parent   *element
	good     float64 // of all blocks within
	score    float64 // the same, each block the less the deeper it lies
	length   int
	from, to int     // its blocks
	hint     float64 // the weight of what the page calls it
}

// pageTree is a parsed page.
type pageTree struct {
	doc      *html.Node
	elements []*element
	blocks   []block
}

// newPage collects the blocks of a page; strict leaves out what is marked as the page's frame.
func newPage(doc *html.Node, strict bool) *pageTree {
	p := &pageTree{doc: doc}
	root := &element{hint: unnamed}
	c := collector{page: p, strict: strict, free: map[*html.Node]int{}}
	measure(doc, c.free)
	c.walk(root, doc)
	c.flush(root)
	root.to = len(p.blocks)
	p.elements = append(p.elements, root)
	for i := range p.blocks {
		b := &p.blocks[i]
		b.good = prose(b)
		vote := b.good
		for e, level := b.parent, 0; e != nil; e, level = e.parent, level+1 {
			e.good += b.good
			e.length += len(b.text)
			e.score += vote
			if level > 0 || b.tag == atom.P {
				vote *= decay
			}
		}
	}
	return p
}

// What a page calls an element, as the factor on its score.
const (
	unnamed = 1
	isMain  = 1.25 // an article or the main part
	isBody  = 2    // the article's body
)

// decay is how much less a block counts for an element one level further up.
const decay = 0.6

// prose weighs a block: sentences count fully, short scraps little, links against.
func prose(b *block) float64 {
	n := len(b.text)
	free := n - b.links
	if n == 0 || b.links*2 > n || heading(b.tag) {
		return 0
	}
	last, _ := utf8.DecodeLastRuneInString(b.text)
	w := 1.0
	switch {
	case n < 40:
		w = 0.1
	case n < 100 && !terminal(last):
		w = 0.3
	}
	if b.tag != atom.P && b.tag != atom.Pre && b.tag != atom.Blockquote {
		w *= 0.7
	}
	return w * float64(free-b.links)
}

func heading(a atom.Atom) bool {
	switch a {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

// article returns the text of the element that is most likely the article.
func (p *pageTree) article(title string) string {
	best := p.best()
	if best == nil {
		return ""
	}
	return join(p.keep(best, title))
}

// best returns the element that holds the article.
func (p *pageTree) best() *element {
	var best *element
	for _, e := range p.elements {
		if best == nil || e.score*e.hint > best.score*best.hint {
			best = e
		}
	}
	if best == nil || best.good == 0 {
		return nil
	}
	for best.hint < isBody && best.parent != nil && joins(best, best.parent) {
		best = best.parent
	}
	return best
}

// joins reports whether what an element's parent has beside it reads as the element does.
func joins(e, parent *element) bool {
	added := parent.length - e.length
	if added == 0 {
		return true
	}
	return (parent.good-e.good)/float64(added) > 0.5
}

// keep returns the blocks of the article that are its text.
func (p *pageTree) keep(e *element, title string) []block {
	var out []block
	for _, b := range p.blocks[e.from:e.to] {
		if b.links*2 > len(b.text) && len(b.text)-b.links < 80 && !b.quoted || boilerplate(b.text) {
			continue
		}
		if heading(b.tag) && (b.tag == atom.H1 || sameTitle(b.text, title)) {
			continue
		}
		out = append(out, b)
	}
	for len(out) > 0 && heading(out[len(out)-1].tag) {
		out = out[:len(out)-1]
	}
	return out
}

func sameTitle(a, title string) bool { return title != "" && strings.EqualFold(a, title) }

func join(blocks []block) string {
	var b strings.Builder
	for i, bl := range blocks {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(bl.text)
	}
	return b.String()
}

// title returns the page's title: of its Open Graph data, else its one h1, else its title element.
func (p *pageTree) title() string {
	var og, h1, plain string
	for n := range p.doc.Descendants() {
		switch n.DataAtom {
		case atom.Meta:
			if prop := attr(n, "property"); prop == "og:title" && og == "" {
				og = attr(n, "content")
			}
		case atom.H1:
			if h1 == "" {
				h1 = nodeText(n)
			}
		case atom.Title:
			if plain == "" && n.Namespace == "" {
				plain = nodeText(n)
			}
		}
	}
	for _, t := range []string{og, h1, plain} {
		if t = strings.Join(strings.Fields(t), " "); t != "" {
			return t
		}
	}
	return ""
}

// told returns the longest articleBody of the page's JSON-LD.
func told(doc *html.Node) string {
	best := ""
	for n := range doc.Descendants() {
		var data any
		if n.DataAtom == atom.Script && strings.EqualFold(attr(n, "type"), "application/ld+json") && n.FirstChild != nil &&
			json.Unmarshal([]byte(n.FirstChild.Data), &data) == nil {
			best = longestBody(data, best)
		}
	}
	if strings.Contains(best, "</") || strings.Contains(best, "<br") {
		if doc, err := html.Parse(strings.NewReader(best)); err == nil {
			best = nodeText(doc)
		}
	}
	var lines []string
	for line := range strings.Lines(best) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n\n")
}

// longestBody returns the longest articleBody within a value of JSON, or best.
func longestBody(v any, best string) string {
	switch v := v.(type) {
	case map[string]any:
		if body, ok := v["articleBody"].(string); ok && len(body) > len(best) {
			best = body
		}
		for _, c := range v {
			best = longestBody(c, best)
		}
	case []any:
		for _, c := range v {
			best = longestBody(c, best)
		}
	}
	return best
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// nodeText returns all text below a node.
func nodeText(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}
