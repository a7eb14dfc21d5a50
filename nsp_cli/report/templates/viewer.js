const MOST_ZOOM = 8, NEAR_LINE = 18, NARROWEST_PANE = 150, GAP = 2;

// Shows versions of a picture together: under a slider, one at a time, or all side by side. All panes are
// drawn from one view, so that they always show the same place. Only visible tiles are decoded.
class Viewer {
  constructor(root) {
    this.find = selector => root.querySelector(selector);
    this.canvas = this.find("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.tiles = new Tiles(() => this.refresh());
    this.pointers = new Map();
    this.isFlipped = this.isAll = false;
    this.listen(root);
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  // Shows a whole picture.
  show(picture) {
    this.picture = picture;
    this.tiles.clear();
    const names = picture.versions;
    this.fill(this.find(".left"), names, 0);
    this.fill(this.find(".right"), names, names.length - 1);
    this.regionIndex = -1;
    this.find(".summary").textContent = picture.summary;
    this.find(".regions").replaceChildren(...picture.regions.map((region, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = region.title;
      button.addEventListener("click", () => this.lookAt(index));
      return button;
    }));
    this.fit();
  }

  fill(select, names, chosen) {
    select.replaceChildren(...names.map(name => new Option(name)));
    select.selectedIndex = chosen;
  }

  get fitting() {
    const { width, height } = this.panes()[0];
    return Math.min(width / this.picture.width, height / this.picture.height, 1);
  }

  fit() {
    this.isFitted = true;
    this.zoom = this.fitting;
    this.x = this.picture.width / 2;
    this.y = this.picture.height / 2;
    this.refresh();
  }

  // Zooms. The point of the picture at (x, y) on the canvas stays in place.
  zoomTo(zoom, x, y) {
    const pane = this.paneAt(x ?? 0, y ?? 0);
    const dx = x === undefined ? 0 : x - pane.x - pane.width / 2;
    const dy = y === undefined ? 0 : y - pane.y - pane.height / 2;
    zoom = Math.min(MOST_ZOOM, Math.max(zoom, this.fitting));
    this.isFitted = zoom === this.fitting;
    this.moveTo(this.x + dx / this.zoom - dx / zoom, this.y + dy / this.zoom - dy / zoom, zoom);
  }

  moveTo(x, y, zoom = this.zoom) {
    this.zoom = zoom;
    this.x = Math.min(this.picture.width, Math.max(0, x));
    this.y = Math.min(this.picture.height, Math.max(0, y));
    this.refresh();
  }

  lookAt(index) {
    const region = this.picture.regions[index];
    this.regionIndex = index;
    this.isFitted = false;
    this.moveTo(region.x + region.width / 2, region.y + region.height / 2, 1);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (!this.picture) return;
    if (this.isFitted) this.fit();
    else this.refresh();
  }

  // Returns the parts of the canvas and the version in each. With the slider there is one part.
  panes() {
    const { width, height } = this.canvas, count = this.isAll ? this.picture.versions.length : 1;
    const ratio = width / Math.max(1, this.canvas.clientWidth);
    const most = Math.max(1, Math.min(count, Math.floor(width / (NARROWEST_PANE * ratio))));
    const columns = Math.ceil(count / Math.ceil(count / most)), rows = Math.ceil(count / columns);
    const side = index => [Math.floor(index % columns * width / columns),
                           Math.floor(Math.floor(index / columns) * height / rows)];
    return Array.from({ length: count }, (_, version) => {
      const [x, y] = side(version);
      return { version, x, y, width: Math.floor(width / columns), height: Math.floor(height / rows) };
    });
  }

  paneAt(x, y) {
    const panes = this.panes();
    return panes.find(p => x >= p.x && x < p.x + p.width && y >= p.y && y < p.y + p.height) ?? panes[0];
  }

  get line() { return this.find(".split").value / 100 * this.canvas.width; }

  set line(x) {
    this.find(".split").value = x / this.canvas.width * 100;
    this.refresh();
  }

  refresh() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { canvas, context } = this;
    context.fillStyle = "#3a3a3a";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (this.isAll) this.panes().forEach(pane => this.drawPane(pane, pane.version, pane.x, pane.x + pane.width - GAP));
    else this.drawSlider(this.panes()[0]);
    this.tell();
  }

  drawSlider(pane) {
    const left = this.find(".left").selectedIndex, right = this.find(".right").selectedIndex;
    if (this.isFlipped) return this.drawPane(pane, left, 0, pane.width);
    const line = Math.round(this.line);
    this.drawPane(pane, left, 0, line);
    this.drawPane(pane, right, line, pane.width, true);
    this.context.fillStyle = "#fff";
    this.context.fillRect(line - 1, 0, 2, pane.height);
  }

  // Draws a version into the part of a pane between two columns.
  drawPane(pane, version, from, to, isRight = false) {
    const { context, picture, zoom } = this;
    const left = Math.round(pane.x + pane.width / 2 - this.x * zoom);
    const top = Math.round(pane.y + pane.height / 2 - this.y * zoom);
    const place = { pane, left, top, from, to };
    context.save();
    context.beginPath();
    context.rect(from, pane.y, to - from, pane.height - (this.isAll ? GAP : 0));
    context.clip();
    context.save();
    context.beginPath();
    context.rect(left, top, Math.round(picture.width * zoom), Math.round(picture.height * zoom));
    context.clip();
    const finest = picture.levels.length - 1;
    let wanted = picture.levels.findIndex(level => level.scale * zoom <= 1);
    if (wanted < 0) wanted = finest;
    // Decoded coarser levels are drawn below, so that something is visible at once.
    for (let level = 0; level <= wanted; level++) this.drawLevel(place, level, version, level === wanted || level === 0);
    if (wanted === finest) picture.regions.forEach((region, index) =>
      this.drawFile(place, `region ${index} ${version}`, region.tiles[version], region.x, region.y, 1, true,
                    region.width, region.height));
    if (picture.levels[finest].scale > 1) this.drawFrames(left, top);
    context.restore();
    this.drawName(pane, picture.versions[version], from, to, isRight);
    context.restore();
  }

  drawLevel(place, index, version, isWanted) {
    const { scale, columns, tiles } = this.picture.levels[index], side = this.picture.tile * scale;
    tiles[version].forEach((file, number) => {
      const x = number % columns * side, y = Math.floor(number / columns) * side;
      this.drawFile(place, `${index} ${version} ${number}`, file, x, y, scale, isWanted, side, side);
    });
  }

  drawFile({ pane, left, top, from, to }, key, file, x, y, scale, isWanted, width, height) {
    const { context, zoom } = this;
    const isInSight = left + (x + width) * zoom > from && left + x * zoom < to
      && top + (y + height) * zoom > pane.y && top + y * zoom < pane.y + pane.height;
    const bitmap = isInSight && this.tiles.get(key, isWanted && file);
    if (!bitmap) return;
    // Whole pixels of the screen, so that there are no seams between tiles.
    const at = (start, offset) => start + Math.round(offset * zoom);
    const [x0, y0] = [at(left, x), at(top, y)];
    const [x1, y1] = [at(left, x + bitmap.width * scale), at(top, y + bitmap.height * scale)];
    context.imageSmoothingEnabled = zoom * scale < 2;
    context.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0);
  }

  // Marks the crops at full resolution.
  drawFrames(left, top) {
    const { context, zoom } = this;
    context.strokeStyle = "#fffa";
    for (const { x, y, width, height } of this.picture.regions) {
      context.strokeRect(left + Math.round(x * zoom) - 0.5, top + Math.round(y * zoom) - 0.5,
                         Math.round(width * zoom) + 1, Math.round(height * zoom) + 1);
    }
  }

  // Returns "from 50 %" if a coarser level is shown enlarged.
  get origin() {
    const { scale } = this.picture.levels.at(-1), { x, y, zoom } = this;
    if (scale === 1) return "";
    const isInside = this.picture.regions.some(region =>
      x >= region.x && x <= region.x + region.width && y >= region.y && y <= region.y + region.height);
    return scale * zoom <= 1 || isInside ? "" : `, from ${100 / scale} %`;
  }

  drawName(pane, name, from, to, isRight) {
    const { context, canvas } = this, ratio = canvas.width / Math.max(1, canvas.clientWidth);
    context.font = `${13 * ratio}px system-ui, sans-serif`;
    const width = context.measureText(name).width, pad = 6 * ratio, height = 24 * ratio;
    const x = isRight ? to - width - 2 * pad : from;
    context.fillStyle = "#000a";
    context.fillRect(x, pane.y, width + 2 * pad, height);
    context.fillStyle = "#fff";
    context.fillText(name, x + pad, pane.y + height - 7 * ratio);
  }

  // Describes the view for screen readers.
  tell() {
    const names = this.picture.versions, [left, right] = [".left", ".right"].map(part => names[this.find(part).selectedIndex]);
    const what = this.isAll ? names.join(", ") : this.isFlipped ? left : `${left} | ${right}`;
    const zoom = `${Math.round(this.zoom * 100)} %${this.origin}`;
    this.find("output").value = zoom;
    this.canvas.setAttribute("aria-label",
      `${this.picture.name}: ${what}; ${zoom} at ${Math.round(this.x)}, ${Math.round(this.y)}`);
    this.find(".all").setAttribute("aria-pressed", this.isAll);
    for (const control of [".split", ".left", ".right", ".flip"]) this.find(control).disabled = this.isAll;
    [...this.find(".regions").children].forEach((button, index) => {
      const { x, y, width, height } = this.picture.regions[index];
      button.setAttribute("aria-pressed", this.x === x + width / 2 && this.y === y + height / 2);
    });
  }

  flip(isFlipped) {
    this.isFlipped = isFlipped;
    this.refresh();
  }

  toggleAll() {
    this.isAll = !this.isAll;
    if (this.isFitted) this.fit();
    else this.refresh();
  }

  listen(root) {
    const flip = this.find(".flip");
    flip.addEventListener("pointerdown", () => this.flip(true));
    for (const end of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
      flip.addEventListener(end, () => this.flip(false));
    }
    flip.addEventListener("contextmenu", event => event.preventDefault());  // a long touch opens it
    this.find(".all").addEventListener("click", () => this.toggleAll());
    for (const control of root.querySelectorAll("input, select")) {
      for (const change of ["input", "change"]) control.addEventListener(change, () => this.refresh());
    }
    for (const button of root.querySelectorAll("[data-zoom]")) {
      const zoom = Number(button.dataset.zoom);
      button.addEventListener("click", () => zoom ? this.zoomTo(zoom) : this.fit());
    }
    this.canvas.addEventListener("wheel", event => this.onWheel(event), { passive: false });
    this.canvas.addEventListener("dblclick", event => this.onDoubleClick(event));
    this.canvas.addEventListener("pointerdown", event => this.onPointerDown(event));
    this.canvas.addEventListener("pointermove", event => this.onPointerMove(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, event => this.pointers.delete(event.pointerId));
    }
  }

  // Returns the place of an event in pixels of the canvas.
  where(event) {
    const box = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / Math.max(1, box.width);
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio, ratio };
  }

  onWheel(event) {
    event.preventDefault();
    const { x, y } = this.where(event), amount = event.deltaMode ? event.deltaY * 20 : event.deltaY;
    this.zoomTo(this.zoom * 2 ** (-amount / 200), x, y);
  }

  onDoubleClick(event) {
    const { x, y } = this.where(event);
    if (this.isFitted) this.zoomTo(1, x, y);
    else this.fit();
  }

  onPointerDown(event) {
    const point = this.where(event);
    this.canvas.setPointerCapture(event.pointerId);
    point.isOnLine = !this.isAll && !this.pointers.size && Math.abs(point.x - this.line) < NEAR_LINE * point.ratio;
    this.pointers.set(event.pointerId, point);
  }

  onPointerMove(event) {
    const before = this.pointers.get(event.pointerId), now = this.where(event);
    const isNear = !this.isAll && Math.abs(now.x - this.line) < NEAR_LINE * now.ratio;
    this.canvas.style.cursor = isNear ? "ew-resize" : "grab";
    if (!before) return;
    this.pointers.set(event.pointerId, { ...before, ...now });
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) this.pinch(before, now, other);
    else if (before.isOnLine) this.line = now.x;
    else this.moveTo(this.x - (now.x - before.x) / this.zoom, this.y - (now.y - before.y) / this.zoom);
  }

  // Zooms by the change in distance of two fingers, around the point between them.
  pinch(before, now, other) {
    const apart = point => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.zoomTo(this.zoom * apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  // Performs the action of a key; returns whether it has one.
  onKey(key) {
    const step = this.canvas.width / 10 / this.zoom, regions = this.picture.regions.length;
    const actions = {
      " ": () => this.flip(true),
      s: () => this.toggleAll(),
      z: () => this.zoomTo(1),
      0: () => this.fit(),
      "+": () => this.zoomTo(this.zoom * 1.25),
      "=": () => this.zoomTo(this.zoom * 1.25),
      "-": () => this.zoomTo(this.zoom / 1.25),
      ",": () => { this.line -= this.canvas.width / 50; },
      ".": () => { this.line += this.canvas.width / 50; },
      c: () => regions && this.lookAt((this.regionIndex + 1) % regions),
      ArrowLeft: () => this.moveTo(this.x - step, this.y),
      ArrowRight: () => this.moveTo(this.x + step, this.y),
      ArrowUp: () => this.moveTo(this.x, this.y - step),
      ArrowDown: () => this.moveTo(this.x, this.y + step),
    };
    const version = /^[1-9]$/.test(key) ? Number(key) - 1 : -1;
    if (version in this.picture.versions) {
      this.find(".right").selectedIndex = version;
      this.refresh();
    } else if (actions[key]) actions[key]();
    else return false;
    return true;
  }
}
