// The run, read from the page, and the state of it at one position. A position
// counts the moments that the page has, over all windows.
const run = JSON.parse(document.getElementById('run').textContent);
const width = run.registers.length;
const hex = (value) => value === 0 ? 'none' : '0x' + run.values[value];
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const byId = (id) => document.getElementById(id);

// offsets are where the groups of each instruction begin in a flat list.
function offsets(flat, size) {
  const out = [];
  for (let i = 0; i < flat.length; i += 1 + flat[i] * size) out.push(i);
  return out;
}

// groups calls f with the start of each group of an instruction.
function groups(flat, at, size, f) {
  for (let i = at + 1, end = at + 1 + flat[at] * size; i < end; i += size) f(i);
}

let positions = 0;
const windows = run.windows.map((w) => {
  const thread = [];
  for (let i = 0; i < w.slices.length; i += 2) for (let k = 0; k < w.slices[i + 1]; k++) thread.push(w.slices[i]);
  const decoded = {
    w, thread, first: positions, length: w.places.length,
    changes: offsets(w.changes, 2), stores: offsets(w.stores, 3), calls: offsets(w.newCalls, 2), accesses: offsets(w.accesses, 5),
    states: [], // every so many instructions, to go back to
    lanes: run.threads.map(() => []), // the instructions of each thread
  };
  thread.forEach((t, i) => decoded.lanes[t].push(i));
  positions += w.places.length + 1;
  return decoded;
});
const last = positions - 1;

// find is the window and the offset in it of a position.
function find(position) {
  let k = windows.length - 1;
  while (windows[k].first > position) k--;
  return [windows[k], position - windows[k].first];
}
function momentOf(position) {
  const [win, i] = find(position);
  return win.w.from + i;
}
// positionOf is the position of a moment, or the nearest one that the page has.
function positionOf(moment) {
  let best = 0;
  for (const win of windows) {
    if (moment >= win.w.from) best = win.first + Math.min(moment - win.w.from, win.length);
  }
  return best;
}

const every = 256;
let state = null; // registers, words, calls, and where it is: win, i

function start(win) {
  return { win, i: 0, registers: Int32Array.from(win.w.registers.flat()), words: Int32Array.from(win.w.words), calls: Int32Array.from(win.w.calls) };
}
function copy(s) {
  return { win: s.win, i: s.i, registers: s.registers.slice(), words: s.words.slice(), calls: s.calls.slice() };
}
function forward(s) {
  const { win, i } = s, w = win.w;
  groups(w.changes, win.changes[i], 2, (g) => { s.registers[w.changes[g]] = w.changes[g + 1]; });
  groups(w.stores, win.stores[i], 3, (g) => { s.words[2 * w.stores[g]] = w.stores[g + 1]; s.words[2 * w.stores[g] + 1] = w.stores[g + 2]; });
  groups(w.newCalls, win.calls[i], 2, (g) => { s.calls[w.newCalls[g]] = w.newCalls[g + 1]; });
  s.i++;
  if (s.i % every === 0 && !win.states[s.i / every]) win.states[s.i / every] = copy(s);
}
function seek(position) {
  const [win, i] = find(position);
  if (!state || state.win !== win || state.i > i || i - state.i > every) {
    let k = Math.floor(i / every);
    while (k > 0 && !win.states[k]) k--;
    if (!state || state.win !== win || state.i > i || state.i < k * every) state = k > 0 ? copy(win.states[k]) : start(win);
  }
  while (state.i < i) forward(state);
}

// The thread that runs at a position: the one of the next instruction, and at the
// end the one that fails.
function threadAt(position) {
  const [win, i] = find(position);
  if (i < win.length) return win.thread[i];
  if (position === last && run.fault >= 0) return run.fault;
  return win.length > 0 ? win.thread[win.length - 1] : -1;
}

function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}
// set changes a text only when it is another one, which is much cheaper.
function set(e, text) { if (e.textContent !== text) e.textContent = text; }

// An instruction's accesses in words, and the first one in short.
function accesses(win, i) {
  const list = [], w = win.w;
  groups(w.accesses, win.accesses[i], 5, (g) => {
    const [kind, addr, size, value, old] = w.accesses.slice(g, g + 5);
    const bytes = size === 1 ? '1 byte' : size + ' bytes';
    if (kind === 0) list.push({ short: '→ ' + hex(value), text: 'read ' + hex(value) + ' from ' + hex(addr) + ' (' + bytes + ')' });
    else list.push({ short: '← ' + hex(value), text: (kind === 2 ? 'had the kernel write ' : 'wrote ') + hex(value) + ' to ' + hex(addr) + (old !== value ? ', where ' + hex(old) + ' was' : ', as it was') + ' (' + bytes + ')' });
  });
  return list;
}
function accessText(win, i) {
  const most = 3, list = accesses(win, i);
  const texts = list.slice(0, most).map((a) => a.text);
  if (list.length > most) texts.push('and ' + (list.length - most) + ' more');
  return texts.join('; ');
}

// The lanes.
const before = 8, behind = 5;
const lanes = run.threads.map((name, t) => {
  const lane = element('section', 'lane thread-' + t);
  lane.setAttribute('aria-label', 'thread ' + name);
  const title = element('h3'), who = element('span', 'who', name), status = element('span', 'state');
  title.append(who, status);
  const call = element('p', 'call small');
  const list = element('ol');
  list.setAttribute('aria-label', 'instructions of ' + name);
  const rows = [];
  for (let k = 0; k < before + 1 + behind; k++) {
    const row = element('li');
    const cells = ['n', 'at', 'text', 'access'].map((c) => element('span', c));
    row.append(...cells);
    row.addEventListener('click', () => { if (rows[k].position >= 0) go(rows[k].position); });
    list.append(row);
    rows.push({ row, cells, position: -1 });
  }
  const did = element('p', 'did');
  const regs = element('dl', 'regs');
  regs.setAttribute('aria-label', 'registers of ' + name);
  const cells = run.registers.map((r) => {
    const cell = element('div'), value = element('dd'), text = element('span'), hint = element('span', 'hint');
    value.append(text, hint);
    cell.append(element('dt', '', r), value);
    regs.append(cell);
    return { cell, text, hint };
  });
  lane.append(title, call, list, did, regs);
  byId('lanes').append(lane);
  return { lane, status, call, rows, did, cells };
});

// What a value is the address of, in a word or two.
const hints = new Map();
for (const p of run.places) hints.set(p.pc, p.at.replace(/\+0x0$/, ''));
for (const t of run.tables) for (const r of t.rows) if (r.word >= 0 && r.label) hints.set(run.words[r.word], (t.name || '') + r.label);
function flagNames(value) {
  const bits = BigInt('0x' + (run.values[value] || '0'));
  return run.flagBits.filter((b) => bits >> BigInt(b.bit) & 1n).map((b) => b.name).join(' ');
}

function search(list, i) { // the first index whose value is i or more
  let lo = 0, hi = list.length;
  while (lo < hi) { const mid = lo + hi >> 1; if (list[mid] < i) lo = mid + 1; else hi = mid; }
  return lo;
}

function fill(r, className, n, at, text, access, position) {
  const texts = [n, at, text, access];
  r.cells.forEach((c, k) => set(c, texts[k]));
  r.row.className = className;
  r.row.title = text ? at + '  ' + text + (access ? '  ' + access : '') : '';
  r.position = position;
}

function showLane(t, changed) {
  const { win, i } = state, l = lanes[t], mine = win.lanes[t], next = search(mine, i), running = threadAt(win.first + i) === t;
  const atEnd = win.first + i === last;
  l.lane.classList.toggle('runs', running);
  l.lane.classList.toggle('fails', running && atEnd && run.fault === t);
  l.rows.forEach((r, k) => {
    const j = next - before + k;
    if (j >= 0 && j < mine.length) {
      const p = run.places[win.w.places[mine[j]]], list = accesses(win, mine[j]);
      const short = list.length ? list[0].short + (list.length > 1 ? ' …' : '') : '';
      fill(r, k < before ? 'gone' : k === before ? 'next' : 'later', grouped(win.w.from + mine[j] + 1), p.at, p.text, short, win.first + mine[j]);
    } else if (j === mine.length && win.w.next[t] >= 0) {
      const p = run.places[win.w.next[t]];
      fill(r, k === before ? 'next' : 'later', run.fault === t && win === windows[windows.length - 1] ? 'fault' : 'not run', p.at, p.text, '', run.fault === t ? win.first + win.length : -1);
    } else fill(r, '', '', '', '', '', -1);
    if (k === before) { if (running) r.row.setAttribute('aria-current', 'true'); else r.row.removeAttribute('aria-current'); }
  });
  set(l.status, atEnd ? run.ends[t] : running ? 'runs next' : next < mine.length ? 'stands still until instruction ' + grouped(win.w.from + mine[next] + 1) : win === windows[windows.length - 1] ? run.ends[t] : 'stands still');
  const call = run.texts[state.calls[t]];
  l.call.replaceChildren(...(call ? ['in ', element('code', '', call)] : []));
  const done = next - 1;
  let did = 'Nothing yet.';
  if (done >= 0) {
    const text = accessText(win, mine[done]);
    did = 'Last, ' + run.places[win.w.places[mine[done]]].at + (text ? ' ' + text : ' used no memory') + '.';
  } else if (win.w.from > 0) did = '';
  set(l.did, did);
  l.cells.forEach((c, r) => {
    const value = state.registers[t * width + r];
    set(c.text, hex(value));
    const hint = r === run.flags ? flagNames(value) : hints.get(value);
    set(c.hint, hint && value ? '  ' + hint : '');
    c.cell.classList.toggle('changed', changed.has(t * width + r));
    c.cell.title = run.registers[r] + ' = ' + hex(value) + (changed.has(t * width + r) ? ', changed by the last instruction' : '');
  });
}

// The tables of memory.
const tables = run.tables.map((t) => {
  const box = element('section', 'mem'), scroll = element('div', t.long ? 'scroll' : ''), table = element('table', 'words'), body = element('tbody');
  box.append(element('h4', '', t.title));
  box.setAttribute('aria-label', t.title);
  table.setAttribute('role', 'table');
  table.setAttribute('aria-label', t.title);
  body.setAttribute('role', 'rowgroup');
  if (t.long) {
    scroll.tabIndex = 0;
    scroll.setAttribute('role', 'region');
    scroll.setAttribute('aria-label', t.title + ', entry by entry');
  }
  const rows = t.rows.map((r) => {
    const tr = element('tr', r.word < 0 ? 'gap' : 'word');
    tr.setAttribute('role', 'row');
    body.append(tr);
    if (r.word < 0) {
      const td = element('td', '', grouped(r.gap) + ' more words');
      td.colSpan = 3;
      td.setAttribute('role', 'cell');
      tr.append(td);
      return { r, tr };
    }
    if (r.focus) tr.classList.add('focus');
    const th = element('th', '', r.label ? r.label + ' ' : ''), value = element('td', 'value'), means = element('td', 'means'), text = element('span'), tags = element('span');
    th.setAttribute('role', 'rowheader');
    th.append(element('span', 'addr', hex(run.words[r.word])));
    for (const td of [value, means]) td.setAttribute('role', 'cell');
    means.append(text, tags);
    tr.append(th, value, means);
    return { r, tr, value, text, tags, key: '' };
  });
  table.append(body);
  scroll.append(table);
  box.append(scroll);
  byId('memory').append(box);
  return { t, scroll, rows };
});

// pointers are, for each address, the registers that hold it.
function pointers() {
  const map = new Map();
  for (let t = 0; t < run.threads.length; t++) {
    for (let r = 0; r < width; r++) {
      const value = state.registers[t * width + r];
      if (r === run.pc || r === run.flags || value === 0) continue;
      if (!map.has(value)) map.set(value, []);
      map.get(value).push([t, run.registers[r]]);
    }
  }
  return map;
}

function showTables(stored) {
  const held = pointers(), running = threadAt(position);
  for (const table of tables) {
    let show = null, best = 0;
    for (const row of table.rows) {
      if (row.r.word < 0) continue;
      const value = state.words[2 * row.r.word];
      set(row.value, value === 0 ? 'not mapped' : hex(value));
      set(row.text, run.texts[state.words[2 * row.r.word + 1]] + ' ');
      const changed = stored.has(row.r.word), list = held.get(run.words[row.r.word]) || [];
      row.tr.classList.toggle('changed', changed);
      const key = changed + '|' + list.join();
      if (key !== row.key) {
        row.key = key;
        const tags = list.map(([t, name]) => element('span', 'tag thread-' + t, '← ' + run.threads[t] + ' ' + name));
        if (changed) tags.unshift(element('span', 'tag', 'just changed'));
        row.tags.replaceChildren(...tags.flatMap((t) => [t, ' ']));
      }
      // What to scroll to: a change, or where the thread that runs looks, or what matters.
      const weight = changed ? 4 : row.r.label === 'environ' ? 0 : list.some(([t]) => t === running) ? row.r.focus ? 3 : 2 : row.r.focus ? 1 : 0;
      if (weight > best) [show, best] = [row.tr, weight];
    }
    if (table.t.long && show) reveal(table.scroll, show);
  }
}

// reveal scrolls a box, and nothing else, so that a row in it is seen.
function reveal(box, tr) {
  const outer = box.getBoundingClientRect(), inner = tr.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - outer.height / 2;
}

// The chunks of malloc's.
const heapBox = element('section', 'mem');
heapBox.setAttribute('aria-label', 'chunks of malloc');
const areas = (run.heap ? run.heap.areas : []).map((title) => {
  const list = element('div', 'area');
  heapBox.append(element('h4', '', 'malloc: ' + title), list);
  return { list, key: '' };
});
if (areas.length) byId('memory').append(heapBox);
const stateNames = { used: 'in use', freeing: 'being freed', free: 'free', top: 'top' };

function showHeap(moment) {
  if (!run.heap) return;
  let view = -1;
  for (let i = 0; i < run.heap.shown.length && run.heap.shown[i] <= moment; i += 2) view = run.heap.shown[i + 1];
  areas.forEach((area, a) => {
    const chunks = view < 0 ? [] : run.heap.views[view][a], key = JSON.stringify(chunks);
    if (key === area.key) return;
    area.key = key;
    const boxes = chunks.map((c) => {
      const box = element('div', 'chunk ' + c.state + (c.focus ? ' focus' : ''));
      const what = element('span', 'what');
      what.append(element('span', 'state', stateNames[c.state]), c.text && c.text !== stateNames[c.state] ? ': ' + c.text : '');
      box.append(element('span', '', '0x' + c.addr), element('span', 'faint', '0x' + c.size + ' bytes'), what);
      box.style.minHeight = Math.min(2.6 + Math.log2(Number('0x' + c.size) / 32 + 1) * .5, 7) + 'rem';
      return box;
    });
    area.list.replaceChildren(...(boxes.length ? boxes : [element('p', 'faint', 'There is no chunk here yet.')]));
  });
}

// The strip above the slider.
const strip = byId('strip'), share = (position) => (last > 0 ? 100 * position / last : 0) + '%';
const cursor = element('div', 'cursor'), flags = element('div', 'flags');
const flagOf = run.marks.map((m, i) => {
  const flag = element('div', 'flag', String(i + 1));
  flag.title = m.title;
  flag.style.left = share(positionOf(m.at));
  flag.addEventListener('click', (event) => { event.stopPropagation(); goMark(i); });
  flags.append(flag);
  return flag;
});
strip.append(flags);
const tracks = run.threads.map((name) => {
  const track = element('div', 'track');
  strip.append(track);
  return track;
});
for (const win of windows) {
  let at = win.first;
  for (let i = 0; i < win.w.slices.length; i += 2) {
    const slice = element('div', 'slice thread-' + win.w.slices[i]);
    slice.style.left = share(at);
    slice.style.width = share(win.w.slices[i + 1]);
    tracks[win.w.slices[i]].append(slice);
    at += win.w.slices[i + 1];
  }
  if (win.first > 0) {
    const cut = element('div', 'cut');
    cut.style.left = share(win.first - .5);
    cut.title = 'instructions are left out here';
    strip.append(cut);
  }
}
run.threads.forEach((name, t) => tracks[t].append(element('span', 'name', name)));
strip.append(cursor);

// placeFlags gives flags that would lie on each other a line each.
function placeFlags() {
  const gap = 20, lines = [], total = strip.clientWidth;
  flagOf.forEach((flag, i) => {
    const x = (last > 0 ? positionOf(run.marks[i].at) / last : 0) * total;
    let line = lines.findIndex((end) => x - end >= gap);
    if (line < 0) { line = lines.length; lines.push(0); }
    lines[line] = x;
    flag.style.top = line * 1.2 + 'rem';
  });
  flags.style.height = lines.length * 1.2 + .1 + 'rem';
  cursor.style.top = flags.style.height; // over the tracks only
}

// Where to go.
const slider = byId('slider');
let position = -1;

const switches = [];
for (let p = 1; p <= last; p++) if (find(p)[1] > 0 && threadAt(p) !== threadAt(p - 1)) switches.push(p);
const stops = [...new Set(run.marks.flatMap((m) => [positionOf(m.at), positionOf(m.after)]))].sort((a, b) => a - b);
// next is the nearest of some positions before or behind one, or that itself.
function next(list, from, way) {
  const found = way > 0 ? list.find((p) => p > from) : list.findLast((p) => p < from);
  return found === undefined ? from : found;
}
const moves = {
  first: () => 0, last: () => last,
  back: () => position - 1, step: () => position + 1,
  'switch-back': () => next(switches, position, -1), switch: () => next(switches, position, 1),
  'lesson-back': () => next(stops, position, -1), lesson: () => next(stops, position, 1),
};
function goMark(i) { go(positionOf(run.marks[i].at)); }

// marksAt are the lesson's moments that a moment belongs to.
function marksAt(moment) { return run.marks.map((m, i) => i).filter((i) => run.marks[i].at <= moment && moment <= run.marks[i].after); }

function sentence() {
  const { win, i } = state, t = threadAt(position), moment = win.w.from + i;
  const head = 'Moment ' + grouped(moment) + ' of ' + grouped(run.length) + '. ';
  if (t < 0) return head;
  const place = i < win.length ? win.w.places[i] : win.w.next[t];
  if (place < 0) return head + run.threads[t] + ' ' + run.ends[t] + '.';
  const p = run.places[place];
  const verb = i < win.length ? ' is about to run instruction ' + grouped(moment + 1) + ', ' : run.fault === t ? ' fails with ' : ' stands at ';
  return head + run.threads[t] + verb + p.at + ': ' + p.text + (p.line ? '  (' + p.line + ')' : '');
}

const spoken = byId('now'), shown = element('p'), story = element('p', 'story');
spoken.className = 'hidden-text';
spoken.after(shown, story);
let later = 0;

function go(to) {
  to = Math.max(0, Math.min(last, to));
  if (to === position) return;
  position = to;
  seek(to);
  const { win, i } = state, moment = win.w.from + i;
  const changed = new Set(), stored = new Set();
  if (i > 0) {
    groups(win.w.changes, win.changes[i - 1], 2, (g) => changed.add(win.w.changes[g]));
    groups(win.w.stores, win.stores[i - 1], 3, (g) => stored.add(win.w.stores[g]));
  }
  slider.value = String(to);
  slider.setAttribute('aria-valuetext', sentence());
  cursor.style.left = share(to);
  const here = marksAt(moment);
  set(shown, sentence());
  set(story, here.map((k) => 'Lesson ' + (k + 1) + ': ' + run.marks[k].title + (moment === run.marks[k].after && moment > run.marks[k].at ? ' (done)' : '')).join(' · '));
  flagOf.forEach((f, k) => f.classList.toggle('here', here.includes(k)));
  for (const card of document.querySelectorAll('#lesson > .cards > .card')) {
    const on = here.includes([...card.parentNode.children].indexOf(card));
    card.classList.toggle('here', on);
    if (on) card.setAttribute('aria-current', 'step'); else card.removeAttribute('aria-current');
  }
  run.threads.forEach((_, t) => showLane(t, changed));
  showTables(stored);
  showHeap(moment);
  for (const b of document.querySelectorAll('[data-go]')) b.setAttribute('aria-disabled', String(moves[b.dataset.go]() === position || moves[b.dataset.go]() < 0 || moves[b.dataset.go]() > last));
  // A screen reader is told where one has come to, not of all that was passed.
  clearTimeout(later);
  later = setTimeout(() => {
    if (document.activeElement !== slider) set(spoken, sentence() + (story.textContent ? '. ' + story.textContent : ''));
  }, 350);
}

slider.max = String(last);
slider.addEventListener('input', () => go(Number(slider.value)));
for (const b of document.querySelectorAll('[data-go]')) b.addEventListener('click', () => go(moves[b.dataset.go]()));
for (const b of document.querySelectorAll('.go')) {
  b.hidden = false;
  b.addEventListener('click', () => {
    go(positionOf(Number(b.dataset.moment)));
    byId('player').scrollIntoView();
    slider.focus({ preventScroll: true });
  });
}
function point(event) {
  const box = strip.getBoundingClientRect();
  go(Math.round((event.clientX - box.left) / box.width * last));
}
strip.addEventListener('pointerdown', (event) => {
  if (event.target.classList.contains('flag')) return;
  strip.setPointerCapture(event.pointerId);
  point(event);
});
strip.addEventListener('pointermove', (event) => { if (strip.hasPointerCapture(event.pointerId)) point(event); });

// Keys.
const help = byId('help');
const keys = {
  ArrowRight: 'step', n: 'step', s: 'step', ArrowLeft: 'back', p: 'back', S: 'back', Home: 'first', End: 'last',
  j: 'lesson', k: 'lesson-back', t: 'switch', T: 'switch-back',
};
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || help.open || !byId('keys-on').checked) return;
  const at = event.target;
  if (at.isContentEditable || at.tagName === 'TEXTAREA' || at.tagName === 'SELECT' || at.tagName === 'INPUT' && at !== slider) return;
  if (at === slider && event.key.length > 1) return; // it moves by itself
  if (at.classList && at.classList.contains('scroll') && event.key.length > 1) return; // and so does a box
  if (event.key === '?') help.showModal();
  else if (keys[event.key]) go(moves[keys[event.key]]());
  else return;
  event.preventDefault();
});
byId('help-open').addEventListener('click', () => help.showModal());
byId('help-close').addEventListener('click', () => help.close());

// Colours.
const themes = ['automatic', 'light', 'dark'];
let theme = 0;
byId('theme').hidden = false;
byId('theme').addEventListener('click', () => {
  theme = (theme + 1) % themes.length;
  if (theme === 0) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = themes[theme];
  set(byId('theme'), 'Colours: ' + themes[theme]);
});

byId('live').hidden = false;
byId('last-details').open = false;
placeFlags();
addEventListener('resize', () => {
  placeFlags();
  const here = position;
  position = -1;
  go(here); // rows have moved in their boxes
});
go(last);
