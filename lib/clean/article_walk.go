package clean

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// collector makes a page's blocks.
type collector struct {
	page   *pageTree
	strict bool
	free   map[*html.Node]int // bytes of text outside of links
	text   strings.Builder
	links  int
	inA    int // links around
	quotes int // block quotations around
	pre    int // preformatted elements around
	tag    atom.Atom
	space  bool // white space stands between what was written and what comes
}

// walk collects the blocks below a node, which is e's own or one inline within e.
func (c *collector) walk(e *element, node *html.Node) {
	for n := node.FirstChild; n != nil; n = n.NextSibling {
		switch n.Type {
		case html.TextNode:
			c.write(n.Data)
		case html.ElementNode:
			c.element(e, n)
		case html.DocumentNode, html.DoctypeNode, html.CommentNode:
		}
	}
}

// element collects an element inside e.
func (c *collector) element(e *element, n *html.Node) {
	if c.skipped(n) {
		if !inline(n) {
			c.flush(e)
		}
		return
	}
	if n.DataAtom == atom.Br {
		if twice(n) {
			c.flush(e)
		}
		c.space = true
		return
	}
	if inline(n) {
		if n.DataAtom == atom.A {
			c.inA++
			defer func() { c.inA-- }()
		}
		c.walk(e, n)
		return
	}
	c.flush(e)
	child := &element{parent: e, from: len(c.page.blocks), hint: hint(n)}
	switch n.DataAtom {
	case atom.Blockquote:
		c.quotes++
		defer func() { c.quotes-- }()
	case atom.Pre:
		c.pre++
		defer func() { c.pre-- }()
	}
	outer := c.tag
	c.tag = n.DataAtom
	c.walk(child, n)
	c.flush(child)
	c.tag = outer
	child.to = len(c.page.blocks)
	if child.to > child.from {
		c.page.elements = append(c.page.elements, child)
	}
}

// twice reports whether another line break follows a line break: together they end a paragraph.
func twice(br *html.Node) bool {
	next := br.NextSibling
	if next != nil && next.Type == html.TextNode && strings.TrimSpace(next.Data) == "" {
		next = next.NextSibling
	}
	return next != nil && next.DataAtom == atom.Br
}

// write adds text to the block, white space folded unless it is preformatted.
func (c *collector) write(s string) {
	if c.pre > 0 {
		c.text.WriteString(s)
		return
	}
	for i, f := range strings.Fields(s) {
		if (i > 0 || c.space || s[0] <= ' ' || strings.HasPrefix(s, "\u00a0")) && c.text.Len() > 0 {
			c.text.WriteByte(' ')
		}
		c.text.WriteString(f)
		if c.inA > 0 {
			c.links += len(f) + 1
		}
		c.space = false
	}
	if s != "" && strings.TrimSpace(s[len(s)-1:]) == "" || strings.HasSuffix(s, "\u00a0") {
		c.space = true
	}
}

// flush ends the block, which belongs to e.
func (c *collector) flush(e *element) {
	if text := strings.TrimSpace(c.text.String()); text != "" {
		c.page.blocks = append(c.page.blocks, block{text: text, tag: c.tag, links: min(c.links, len(text)), quoted: c.quotes > 0, parent: e})
	}
	c.text.Reset()
	c.links, c.space = 0, false
}

// hint tells what a page calls an element.
func hint(n *html.Node) float64 {
	if attr(n, "itemprop") == "articleBody" {
		return isBody
	}
	if n.DataAtom == atom.Article || n.DataAtom == atom.Main || attr(n, "role") == "main" || attr(n, "role") == "article" {
		return isMain
	}
	return unnamed
}

// inline reports whether an element is part of the block around it.
func inline(n *html.Node) bool {
	switch n.DataAtom {
	case atom.A, atom.Abbr, atom.Acronym, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Del, atom.Dfn, atom.Em, atom.Font,
		atom.I, atom.Ins, atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.Ruby, atom.Rb, atom.Rt, atom.Rp, atom.S, atom.Samp, atom.Small, atom.Span, atom.Strike,
		atom.Strong, atom.Sub, atom.Sup, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr, atom.Img, atom.Svg, atom.Button, atom.Input:
		return true
	}
	return false
}

// measure finds how much text each element holds outside of links.
func measure(n *html.Node, free map[*html.Node]int) int {
	total := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode:
			total += len(strings.TrimSpace(c.Data))
		case c.Type == html.ElementNode && c.DataAtom != atom.Script && c.DataAtom != atom.Style && c.DataAtom != atom.A:
			total += measure(c, free)
		}
	}
	free[n] = total
	return total
}

// skipped reports whether an element is no part of the article's text. What holds most of a page's text is not thrown away for
// its name alone.
func (c *collector) skipped(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Head, atom.Template, atom.Noscript, atom.Iframe, atom.Textarea:
		return true
	}
	return c.strict && c.free[n]*2 < c.free[c.page.doc] && framed(n)
}

// framed reports whether an element carries the mark of what surrounds articles.
func framed(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Form, atom.Nav, atom.Aside, atom.Footer, atom.Button, atom.Svg, atom.Select, atom.Input,
		atom.Object, atom.Embed, atom.Video, atom.Audio, atom.Canvas, atom.Figure, atom.Figcaption, atom.Math, atom.Dialog, atom.Menu:
		return true
	case atom.Body, atom.Html, atom.Article, atom.Main:
		return false
	}
	marks := ""
	for _, a := range n.Attr {
		switch a.Key {
		case "class", "id", "data-component", "data-testid", "data-module":
			marks += " " + a.Val
		case "hidden":
			return true
		case "aria-hidden":
			if a.Val == "true" {
				return true
			}
		case "style":
			if style := strings.ReplaceAll(a.Val, " ", ""); strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") {
				return true
			}
		case "role", "itemprop":
			if frameRoles[a.Val] {
				return true
			}
		}
	}
	return marks != "" && frameMarks.MatchString(marks) && !textMarks.MatchString(marks)
}

// frameRoles are roles and properties of what surrounds articles.
var frameRoles = map[string]bool{"navigation": true, "banner": true, "contentinfo": true, "complementary": true, "search": true, "dialog": true, "alert": true,
	"menu": true, "menubar": true, "button": true, "tooltip": true, "author": true, "datePublished": true, "comment": true, "headline": true}

// frameMarks are classes and ids of what surrounds articles. A word stands alone or between hyphens and underscores.
var frameMarks = regexp.MustCompile(`(?i)(^|[\s_-])(comments?|respond|disqus|share|sharing|shares?|social|sociallinks|related|recommend(ed|ations?)?|outbrain|taboola|sidebar|side-?bar|` +
	`promo|promos|promoted|promotion|sponsor(ed)?|ad|ads|advert|advertisement|adsense|newsletter|subscribe|subscription|signup|sign-up|breadcrumbs?|byline|author|authors|author-?(bio|info|box)|bio|` +
	`footer|foot|header|masthead|menu|nav|navbar|navigation|pager|pagination|popup|modal|overlay|cookies?|consent|gdpr|tags?|taglist|topics|caption|credit|credits|gallery|slideshow|widget|` +
	`toolbar|tools|rating|ratings|votes|hidden|visually-?hidden|sr-only|screen-reader-text|teaser|read-?more|more-?(stories|news|from)|most-?(read|popular)|trending|popular|latest|meta|metadata|postmeta|entry-meta|timestamp|dateline|` +
	`date|published|print|email|follow|copyright|disclaimer|donate|banner|skip|toc|print-?only|noprint|no-?print|mw-editsection|navbox|infobox|reflist|catlinks|correction|tooltip|dossier|rollover)($|[\s_-])`)

// textMarks are classes and ids of articles, which outweigh frameMarks.
var textMarks = regexp.MustCompile(`(?i)(article|story|post|entry)[_-]?(body|content|text)|articlebody|storybody|(^|[\s_-])(content|main|body|page)($|[\s_-])`)
