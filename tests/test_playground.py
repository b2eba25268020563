import base64
import gzip
import json
import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from svg_tf import presets
from svg_tf.config import Config
from svg_tf.data import moving_mnist
from svg_tf.data.digits import load_digits
from svg_tf.playground import PlaygroundError, page, runtime
from svg_tf.playground.runtime import Runtime

STUB = Runtime(b"export const Tensor = 1;\n//# sourceMappingURL=index.js.map", b"", b"var ModuleFactory;", b"\0asm")
AHEAD = 6


def test_the_page_carries_the_model_and_twenty_digits_and_loads_nothing_from_elsewhere(small):
    config = small()
    digits = load_digits(config, "test")
    html = page.render(config, digits, b"TFL3", STUB)
    packed = {name: re.search(rf' id="{name}">(.*?)</script>', html)[1] for name in ("tflite", "wasm", "sizes")}
    assert gzip.decompress(base64.b64decode(packed["tflite"])) == b"TFL3"
    assert gzip.decompress(base64.b64decode(packed["wasm"])) == STUB.wasm
    sizes = json.loads(packed["sizes"])
    assert (sizes["imageSize"], sizes["nPast"], sizes["zDim"], sizes["samples"]) == (32, 3, 3, 12)
    assert [base64.b64decode(text) for text in sizes["digits"]] == [digit.tobytes() for digit in digits[:20]]
    assert "Version 2.0, January 2004" in html
    assert page.render(config, digits, b"TFL3", STUB) == html

    assert not re.search(r'(src|href)="(?!https://arxiv\.org/)', html) and "url(" not in html
    modules = json.loads(re.search(r'<script type="importmap">(.*?)</script>', html)[1])["imports"]
    assert all(url.startswith("data:text/javascript;base64,") for url in modules.values())
    scripts = {name: base64.b64decode(url.partition(",")[2]).decode() for name, url in modules.items()}
    whole = "".join(scripts.values())
    imports = set(re.findall(r'^import .*?"(.*?)";', whole, re.MULTILINE))
    assert len(imports) == 5 and imports <= set(modules) and "sourceMappingURL" not in whole
    used = set(re.findall(r'\$\("([\w-]+)"\)', scripts["playground/main.js"])) | {"wasm", "tflite"}
    assert used == set(re.findall(r' id="([\w-]+)"', html))


@pytest.mark.parametrize("change", [{"prior": "fixed"}, {"dataset": "kth"}, {"n_past": 1}])
def test_unsuitable_models_are_refused(change):
    with pytest.raises(PlaygroundError, match=r"; choose a model trained with --\w+=\w+"):
        page.check(Config(**change))


def test_a_folder_without_the_right_packages_is_refused(tmp_path):
    with pytest.raises(PlaygroundError, match="core-2.5.3.tgz does not exist; run `npm pack @litertjs/core@2.5.3 "):
        runtime.load(str(tmp_path))
    (tmp_path / "litertjs-core-2.5.3.tgz").write_bytes(b"damaged")
    with pytest.raises(PlaygroundError, match="core-2.5.3.tgz is not the published package: its checksum"):
        runtime.load(str(tmp_path))


@pytest.mark.parametrize(
    ("npm", "message"),
    [
        (None, r"cannot be downloaded \(npm is not installed\); .* --runtime_dir$"),
        ("echo 'no network' >&2; exit 1", r"cannot be downloaded \(no network\); .* --runtime_dir$"),
        ('echo other > "$6/litertjs-core-2.5.3.tgz"', "core-2.5.3.tgz is not the published package"),  # $6: the folder
    ],
)
def test_a_download_that_fails_is_explained_and_not_kept(tmp_path, monkeypatch, npm, message):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    if npm:
        (tmp_path / "npm").write_text(f"#!/bin/sh\n{npm}\n")
        (tmp_path / "npm").chmod(0o755)
    with pytest.raises(PlaygroundError, match=message):
        runtime.load()
    assert not list(tmp_path.glob("cache/**/*.tgz"))


# --- in a browser, with the model that ships with the package ------------------------------------------------------

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def shipped():
    """The preset's configuration and model."""
    return presets.load_config("moving_digits"), presets.load("moving_digits")


@pytest.fixture(scope="module")
def browser_page(shipped, tmp_path_factory):
    """The page of the preset, opened from a file and paused."""
    playwright = pytest.importorskip("playwright.sync_api", reason="not run: needs the package playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        pytest.skip("not run: needs Chromium, for example Debian's package chromium")
    config, model = shipped
    try:
        packages = runtime.load()
    except PlaygroundError as error:
        pytest.skip(f"not run: {error}")
    path = page.write(model, config, load_digits(config, "test"), packages, str(tmp_path_factory.mktemp("page")))
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        errors = []
        tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"file://{path}")
        tab.wait_for_selector("body.ready", timeout=120_000)
        tab.click("#pause")
        yield tab
        assert not errors
        browser.close()


@pytest.mark.slow
def test_the_browser_draws_tensorflows_frames(shipped, browser_page):
    import tensorflow as tf

    from svg_tf import losses, noise, rollout

    config, model = shipped
    clips = moving_mnist.MovingMNIST(config, "test").frames(tf.constant([0], tf.int64)).numpy()
    context = clips[:, : config.n_past] / np.float32(255)
    seeds = tf.constant(noise.sample_seeds(0, [0], page.SAMPLES))
    z_noise = noise.rollout_noise(seeds, config.n_past - 1 + AHEAD, config.z_dim)  # [P-1+T, 1, S, Z]
    expected = rollout.roll_out(model, tf.constant(context), z_noise)
    frames, stddev = browser_page.evaluate(
        """async ([context, noise, frames]) => {
            const found = await playground.model.predict(context, Float32Array.from(noise), frames);
            return [found.frames.map((time) => time.map((frame) => Array.from(frame))), found.stddev];
        }""",
        [context.reshape(config.n_past, -1).tolist(), z_noise.numpy()[:, 0].swapaxes(0, 1).ravel().tolist(), AHEAD],
    )
    frames = np.swapaxes(frames, 0, 1).reshape(expected.frames.shape[1:])
    assert np.std(frames, axis=0).max() > 0.05  # the futures differ
    np.testing.assert_allclose(frames, expected.frames[0], atol=1e-4)
    np.testing.assert_allclose(stddev, np.mean(losses.stddev(expected.prior[1])[0], axis=(0, 2)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stochastic", [True, False])
def test_digits_move_and_look_as_in_the_data(shipped, browser_page, stochastic):
    config, _ = shipped
    steps, span = 100, config.image_width - config.digit_size
    start, redraws, path, frame = browser_page.evaluate(
        """async ([stochastic, steps]) => {
            const {World} = await import("playground/motion.js");
            const {bits} = await import("playground/noise.js");
            const image = Uint8Array.from(atob(playground.sizes.digits[3]), (x) => x.charCodeAt(0));
            const world = new World({...playground.sizes, stochastic}, [image, image], 5);
            const start = world.digits;
            const redraws = Array.from({length: steps}, (_, t) =>
                [0, 1].map((n) => [0, 1, 2, 3].map((i) => bits(5, world.frame + t, n, i))));
            const path = world.future(steps);
            for (let t = 0; t < steps; t++) world.step();
            return [start, redraws, [...path, world.digits], Array.from(world.render(world.digits))];
        }""",
        [stochastic, steps],
    )
    state = np.array([[digit[name] for name in ("y", "x", "vy", "vx")] for digit in start], np.int32)[np.newaxis]
    expected = moving_mnist.walk(
        state[..., :2], state[..., 2:], np.array(redraws)[np.newaxis], span, config.max_speed, stochastic
    )
    found = np.array([[(digit["y"], digit["x"]) for digit in digits] for digits in path])
    np.testing.assert_array_equal(found[:-1], expected[0][0])
    np.testing.assert_array_equal(found[-1], expected[0][0, -1])  # the steps lead where the future said
    assert np.any(expected[2])
    digits = np.repeat(load_digits(config, "test")[np.newaxis, [3]], 2, axis=1)
    drawn = moving_mnist.render(digits, expected[0][:, -1:], config.image_width).numpy()
    np.testing.assert_array_equal(np.round(np.array(frame) * 255), drawn.ravel())


@pytest.mark.slow
def test_the_prior_widens_and_futures_part_at_walls_and_memory_stays(browser_page):
    browser_page.evaluate("document.getElementById('ahead').value = 1")
    rows, sizes = browser_page.evaluate(
        """async () => {
            const {getGlobalLiteRt} = await import("@litertjs/core");
            const variance = (values) => {
                const mean = values.reduce((a, b) => a + b) / values.length;
                return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
            };
            const rows = [], sizes = [];
            for (let i = 0; i < 600; i++) {
                const futures = playground.prediction().frames[0];
                const spread = futures[0].reduce((sum, _, at) => sum + variance(futures.map((frame) => frame[at])), 0);
                await playground.tick();
                const {value, turn} = playground.history().at(-1);
                rows.push([turn, value, spread]);
                if (i === 99 || i === 599) sizes.push(getGlobalLiteRt().liteRtWasm.HEAPU8.length);
            }
            return [rows, sizes];
        }"""
    )
    assert sizes[1] == sizes[0]
    turn, stddev, spread = np.array(rows, float).T
    assert turn.sum() > 20
    assert roc_auc_score(turn, stddev) > 0.85 and roc_auc_score(turn, spread) > 0.85


@pytest.mark.slow
def test_throwing_drawing_and_keys(browser_page):
    browser_page.evaluate("document.getElementById('ahead').value = 1")
    box = browser_page.locator("#stage").bounding_box()
    y, x = box["y"] + box["height"] / 2, box["x"] + box["width"] / 2
    browser_page.mouse.move(x, y)
    browser_page.mouse.down()
    browser_page.wait_for_timeout(3000)  # the digit comes to the pointer
    assert browser_page.evaluate("playground.world().digits.map(({y, x}) => [y, x])") == [[8, 8]]
    browser_page.evaluate("document.getElementById('rate').value = 1")  # less load, so that events arrive in time
    browser_page.evaluate("document.body.addEventListener('pointerup', () => (thrown = playground.world().digits[0]))")
    browser_page.mouse.move(x + 120, y, steps=4)
    browser_page.mouse.up()
    browser_page.click("#pause")
    assert browser_page.evaluate("[thrown.vy, thrown.vx]") == [0, 2]

    browser_page.focus("#stage")
    for _ in range(5):
        browser_page.keyboard.press("ArrowUp")
    assert browser_page.evaluate("playground.world().digits[0].vy") == -2
    browser_page.keyboard.press(" ")
    assert browser_page.inner_text("#pause") == "Pause"

    pad = browser_page.locator("#pad").bounding_box()
    browser_page.mouse.move(pad["x"] + 50, pad["y"] + 10)
    browser_page.mouse.down()
    browser_page.mouse.move(pad["x"] + 50, pad["y"] + 90, steps=4)
    browser_page.mouse.up()
    drawn = np.array(browser_page.evaluate("Array.from(playground.world().images[0])")).reshape(16, 16)
    assert drawn[:, 7:9].min() > 100 and drawn[:, :3].max() == drawn[:, 13:].max() == 0  # a stroke of the whole height
