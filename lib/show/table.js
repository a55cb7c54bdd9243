function (id, t) {
	var tries = 0;
	function start() {
		var found = document.querySelectorAll('[data-quire="' + id + '"]:not([data-live])');
		found.forEach(show);
		if (!found.length && tries++ < 100) setTimeout(start, 100);
	}
	function show(root) {
		var size = 15, page = 0, by = -1, down = false, rows = t.rows;
		root.setAttribute("data-live", "");
		var body = root.querySelector("tbody"), foot = root.querySelector(".quire-foot");
		var heads = root.querySelectorAll("thead th"), pages = Math.ceil(rows.length / size);
		function cell(row, value, j) {
			var td = document.createElement(j ? "td" : "th");
			if (value === null) { td.className = "null"; td.textContent = "∅"; }
			else {
				td.textContent = value;
				if (j && t.numbers[j - 1]) td.className = "n"; else if (j) { td.dir = "auto"; td.title = value; }
			}
			row.appendChild(td);
		}
		function draw() {
			var last = null;
			body.textContent = "";
			rows.slice(page * size, page * size + size).forEach(function (r) {
				var tr = document.createElement("tr");
				if (by < 0 && last !== null && r[0] !== last + 1) tr.style.borderTop = "3px double rgba(128,128,128,.6)";
				last = r[0];
				r.forEach(function (v, j) { cell(tr, v, j); });
				body.appendChild(tr);
			});
			if (pages > 1) {
				label.textContent = "page " + (page + 1) + " of " + pages;
				prev.disabled = page === 0;
				next.disabled = page === pages - 1;
			}
			heads.forEach(function (h, j) { h.setAttribute("aria-sort", j !== by ? "none" : down ? "descending" : "ascending"); h.style.textDecoration = j === by ? (down ? "underline" : "overline") : ""; });
		}
		function sort(j) {
			down = by === j && !down;
			by = j;
			var number = j === 0 || t.numbers[j - 1], sign = down ? -1 : 1;
			rows = t.rows.slice().sort(function (a, b) {
				if (a[j] === null || b[j] === null) return (a[j] === null) - (b[j] === null);
				return sign * (number ? Number(a[j]) - Number(b[j]) : String(a[j]).localeCompare(String(b[j])));
			});
			page = 0;
			draw();
		}
		function button(text, step) {
			var b = document.createElement("button");
			b.textContent = text;
			b.onclick = function () { page += step; draw(); };
			foot.appendChild(b);
			return b;
		}
		heads.forEach(function (h, j) { h.style.cursor = "pointer"; h.title = "sort the rows shown"; h.onclick = function () { sort(j); }; });
		if (pages > 1) {
			var prev = button("‹", -1), label = document.createElement("span");
			foot.appendChild(label);
			var next = button("›", 1);
		}
		draw();
	}
	start();
}
