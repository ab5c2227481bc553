//! What people type, and what they must find, on both engines.

use super::*;
use crate::base::{money::Money, patch::Patch};

fn of(title: &str, category: Category, location: &str) -> NewService {
    NewService { category, location: location.into(), ..new(title) }
}

/// The oldest first.
fn market() -> Vec<NewService> {
    let described = |title: &str, category, location: &str, description: &str| NewService {
        description: description.into(),
        ..of(title, category, location)
    };
    let tagged = |title: &str, category, location: &str, tags: &[&str]| NewService {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..of(title, category, location)
    };
    vec![
        described("Boiler service", Category::Plumbing, "Hamburg", "Hot water again within a day, all makes."),
        of("Plumber for old houses", Category::Plumbing, "Berlin"),
        of("Emergency plumbers", Category::Plumbing, "Paris"),
        described(
            "Leaking roofs mended",
            Category::Handyman,
            "Berlin",
            "Also a leaking tap. I am no plumber. Water, hot and cold.",
        ),
        of("Window cleaning", Category::Cleaning, "Leeds"),
        of("House cleaner, weekly", Category::Cleaning, "Cork"),
        tagged("Dog walks twice a day", Category::Pets, "Leeds", &["dogs"]),
        of("Moving with a big van", Category::Moving, "Leeds"),
        of("Babysitter with a car", Category::Childcare, "Leeds"),
        of("Baby sitting at night", Category::Childcare, "Cork"),
        of("Bathroom tiles", Category::Handyman, "Cork"),
        of("New bath room in a week", Category::Plumbing, "Gent"),
        of("窓ガラス修理", Category::Handyman, "東京"),
        of("カラスよけネット", Category::Other, "大阪"),
        of("专业疏通下水道", Category::Plumbing, "上海"),
        of("ซ่อมตู้เย็นถึงบ้าน", Category::Handyman, "กรุงเทพ"),
        of("خدمات السباكة المنزلية", Category::Plumbing, "القاهرة"),
        of("Große Fenster putzen", Category::Cleaning, "München"),
        of("Klavierstunden bei Frau Müller", Category::Music, "Wien"),
        of("Işık ve elektrik", Category::Electrical, "Diyarbakır"),
        of("Rengøring", Category::Cleaning, "København"),
        of("Sprzątanie biur", Category::Cleaning, "Łódź"),
        described("Jardinero", Category::Gardening, "Málaga", "Cuido jardines y podo los árboles de su casa."),
    ]
}

async fn filled(test: &TestApp) {
    let worker = test.approved_worker().await;
    for service in market() {
        published(test, &worker, service).await;
    }
}

#[tokio::test]
async fn people_find_what_they_type() {
    for test in testing::apps().await {
        filled(&test).await;
        // The first ones, in order; and what is not found at all.
        for (query, first, never) in [
            ("plumber berlin", &["Plumber for old houses", "Leaking roofs mended"][..], &[][..]),
            ("berlin plumber", &["Plumber for old houses"], &[]),
            ("I need a plumber in Berlin", &["Plumber for old houses"], &[]),
            ("the plumber", &["Plumber for old houses", "Emergency plumbers"], &["Dog walks twice a day"]),
            ("plumbers", &["Emergency plumbers", "Plumber for old houses"], &[]),
            ("plumbing", &[], &["Window cleaning", "Bathroom tiles"]),
            ("window cleaning", &["Window cleaning", "Große Fenster putzen"], &[]),
            ("puppy", &["Dog walks twice a day"], &["Jardinero"]),
            ("movers", &["Moving with a big van"], &["Window cleaning"]),
            ("baby sitter", &["Babysitter with a car"], &["Bathroom tiles"]),
            ("babysitting", &["Baby sitting at night"], &["Bathroom tiles"]),
            ("bath room", &["New bath room in a week", "Bathroom tiles"], &["Window cleaning"]),
            ("bathroom", &["Bathroom tiles", "New bath room in a week"], &["Window cleaning"]),
            ("cleaning", &["Window cleaning"], &["Leaking roofs mended"]),
            ("ガラス", &["窓ガラス修理"], &["カラスよけネット"]),
            ("カラス", &["カラスよけネット"], &["窓ガラス修理"]),
            ("修理", &["窓ガラス修理"], &["カラスよけネット"]),
            ("ガラスの修理をお願いします", &["窓ガラス修理"], &[]),
            ("疏通", &["专业疏通下水道"], &[]),
            ("我需要疏通下水道", &["专业疏通下水道"], &[]),
            ("ตู้เย็น", &["ซ่อมตู้เย็นถึงบ้าน"], &[]),
            ("سباكة", &["خدمات السباكة المنزلية"], &["Window cleaning"]),
            ("سباك القاهرة", &["خدمات السباكة المنزلية"], &["Window cleaning"]),
            ("grosse", &["Große Fenster putzen"], &[]),
            ("Müller", &["Klavierstunden bei Frau Müller"], &[]),
            ("Mueller", &["Klavierstunden bei Frau Müller"], &[]),
            ("muller", &["Klavierstunden bei Frau Müller"], &[]),
            ("isik", &["Işık ve elektrik"], &[]),
            ("kobenhavn", &["Rengøring"], &["Sprzątanie biur"]),
            ("lodz", &["Sprzątanie biur"], &["Rengøring"]),
            ("muenchen", &["Große Fenster putzen"], &[]),
            ("jardineros", &["Jardinero"], &["Window cleaning"]),
            ("arbol", &["Jardinero"], &["Window cleaning"]),
            ("Klempner Berlin", &["Plumber for old houses"], &[]),
            ("paris plombier", &["Emergency plumbers"], &[]),
            ("plumber -leaking", &["Plumber for old houses", "Emergency plumbers"], &["Leaking roofs mended"]),
            ("plumber -paris", &["Plumber for old houses"], &["Emergency plumbers"]),
            ("\"hot water\"", &["Boiler service"], &["Leaking roofs mended"]),
            ("\u{201E}hot water\u{201C}", &["Boiler service"], &["Leaking roofs mended"]),
            ("\"water hot\"", &["Leaking roofs mended"], &["Boiler service"]),
            ("emergancy plummer", &["Emergency plumbers"], &[]),
            ("van", &["Moving with a big van"], &[]),
        ] {
            let titles = found(&test, &q(query)).await;
            let engine = test.app().db.engine();
            assert!(titles.iter().take(first.len()).eq(first.iter()), "{engine:?} {query}: {titles:?}");
            assert!(!titles.iter().any(|title| never.contains(&title.as_str())), "{engine:?} {query}: {titles:?}");
        }
        // By place, however it is written.
        for (location, title) in [
            ("Koebenhavn", "Rengøring"),
            ("łodz", "Sprzątanie biur"),
            ("MUNCHEN", "Große Fenster putzen"),
            ("東京", "窓ガラス修理"),
        ] {
            let filter = SearchFilter { location: Some(location.into()), ..SearchFilter::default() };
            assert_eq!(found(&test, &filter).await, [title], "{location}");
        }
        test.close().await;
    }
}

#[tokio::test]
async fn words_that_look_alike_are_not_mixed_up() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let described = |title: &str, description: &str| NewService { description: description.into(), ..new(title) };
        for service in [
            new("Car repair at your door"),
            described("Company for elderly people", "Care at home."),
            new("Tap repair"),
            new("Red tape cut"),
            new("Blueprint drafting"),
            new("Aerobics for seniors"),
            new("Poet for weddings"),
            new("Pot plants"),
            new("Oven cleaning"),
            new("Wheelie bin cleaning"),
            new("IT support for small firms"),
            new("Computer support"),
            new("Hot air balloon with cold water"),
            new("Balloon show, hot water for tea"),
            new("エアコン 清掃"),
            new("PC修理 大阪"),
            new("Fenster\u{AD}reinigung zum Festpreis"),
            new("Büro Mueller"),
        ] {
            published(&test, &worker, service).await;
        }
        for (query, first, never) in [
            ("care", &["Aerobics for seniors", "Company for elderly people"][..], &[][..]),
            ("car -care", &["Car repair at your door"], &["Company for elderly people"]),
            ("tap -tape", &["Tap repair"], &["Red tape cut"]),
            ("tape", &["Red tape cut"], &[]),
            ("blue", &["Blueprint drafting"], &[]),
            ("aer", &["Aerobics for seniors"], &[]),
            ("poet", &["Poet for weddings"], &[]),
            ("bin cleaning", &["Wheelie bin cleaning", "Oven cleaning"], &[]),
            ("IT support", &["IT support for small firms", "Computer support"], &[]),
            ("balloon -\"hot water\"", &["Hot air balloon with cold water"], &["Balloon show, hot water for tea"]),
            ("-\"hot water\" balloon", &["Hot air balloon with cold water"], &["Balloon show, hot water for tea"]),
            ("\"エアコン 清掃\"", &["エアコン 清掃"], &[]),
            ("\"PC修理 大阪\"", &["PC修理 大阪"], &[]),
            ("\"Fensterreinigung\"", &["Fenster\u{AD}reinigung zum Festpreis"], &[]),
            ("Müller", &["Büro Mueller"], &[]),
            ("buero", &["Büro Mueller"], &[]),
        ] {
            let titles = found(&test, &q(query)).await;
            let engine = test.app().db.engine();
            assert!(titles.iter().take(first.len()).eq(first.iter()), "{engine:?} {query}: {titles:?}");
            assert!(!titles.iter().any(|title| never.contains(&title.as_str())), "{engine:?} {query}: {titles:?}");
        }
        let excluding = SearchFilter { total: Some(true), ..q("-\"hot water\"") };
        let page = search(test.app(), &excluding, &PageRequest::first(200)).await.unwrap();
        assert_eq!((page.items.len(), page.total.map(|total| total.value)), (17, Some(17)));
        test.close().await;
    }
}

#[tokio::test]
async fn characters_that_stand_for_several_stop_no_change() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let odd = "a⒈b ⑴ ﷺ カ゛ x\u{AD}y";
        let service = NewService { description: odd.into(), tags: vec!["⒈".into()], ..new("⑴ piano") };
        let made = published(&test, &worker, service).await;
        for query in [odd, "⑴", "ﷺ", "صلى", "piano"] {
            assert_eq!(found(&test, &q(query)).await, ["⑴ piano"], "{query}");
        }
        let update = UpdateService { title: Patch::Set("plain ﷺ".into()), ..UpdateService::default() };
        crate::services::update(&test.app().by(&worker), made.id, update).await.unwrap();
        act(&test, id(&worker), UserAction::Delete).await;
        assert_eq!(found(&test, &q("plain")).await, Vec::<String>::new());
        test.close().await;
    }
}

#[tokio::test]
async fn words_of_services_that_come_back_are_known_again() {
    for test in testing::apps().await {
        let (worker, other) = (test.approved_worker().await, test.approved_worker().await);
        published(&test, &worker, new("Orchidarium building")).await;
        for (action, back) in [(UserAction::Freeze, UserAction::Unfreeze), (UserAction::Ban, UserAction::Unban)] {
            act(&test, id(&worker), action).await;
            let same = published(&test, &other, new("Orchidarium building")).await;
            delete(&test.app().by(&other), same.id).await.unwrap();
            act(&test, id(&worker), back).await;
            for query in ["orchidarium", "orchidaruim", "orchida"] {
                assert_eq!(found(&test, &q(query)).await, ["Orchidarium building"], "{query}");
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_search_tells_how_much_there_is_and_where_the_words_stand() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        for (title, price, category) in [
            ("Hedge cutting", Some(4_000), Category::Gardening),
            ("Cutting <b>hair</b>", Some(1_500), Category::Beauty),
            ("Cut flowers", None, Category::Gardening),
            ("Piano", Some(9_900), Category::Music),
        ] {
            let price = price.map(|amount| Money::new(amount, "EUR"));
            let description = if price.is_some() {
                "A long story first. ".repeat(20) + "I cut carefully, whatever it is."
            } else {
                String::new()
            };
            published(&test, &worker, NewService { description, category, price, ..new(title) }).await;
        }
        let filter = SearchFilter {
            total: Some(true),
            facets: Some(true),
            snippets: Some(true),
            ..q("cutting -flowers -piano")
        };
        let page = search(test.app(), &filter, &PageRequest::first(1)).await.unwrap();
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.total, Some(model::Estimate { value: 2, exact: true }));
        let facets = page.facets.unwrap();
        assert_eq!(facets.categories.iter().map(|facet| facet.count).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(
            facets.prices.iter().map(|facet| (facet.from, facet.to, facet.count)).collect::<Vec<_>>(),
            [(1_000, 1_999, 1), (2_000, 4_999, 1)]
        );
        assert_eq!(facets.ratings.iter().map(|facet| (facet.stars, facet.count)).collect::<Vec<_>>(), [(0, 2)]);
        let snippet = page.items[0].snippet.clone().unwrap();
        let marked = |parts: &[model::SnippetPart]| {
            parts
                .iter()
                .map(|part| if part.found { format!("[{}]", part.text) } else { part.text.clone() })
                .collect::<String>()
        };
        assert_eq!(marked(&snippet.title), "[Cutting] <b>hair</b>");
        assert!(marked(&snippet.text).starts_with('…'), "{snippet:?}");
        assert!(marked(&snippet.text).ends_with("I [cut] carefully, whatever it is."), "{snippet:?}");

        let by_price = SearchFilter { sort: Some(model::ServiceSort::Price), ..SearchFilter::default() };
        assert_eq!(found(&test, &by_price).await, ["Cutting <b>hair</b>", "Hedge cutting", "Piano", "Cut flowers"]);
        let pages: Vec<String> = all(&test, &by_price, 1).await.into_iter().map(|card| card.title).collect();
        assert_eq!(pages, found(&test, &by_price).await);
        let without = search(test.app(), &q("cutting"), &PageRequest::first(1)).await.unwrap();
        assert_eq!((without.total, without.facets, without.items[0].snippet.clone()), (None, None, None));
        test.close().await;
    }
}

#[tokio::test]
async fn suggestions_complete_what_is_typed() {
    for test in testing::apps().await {
        filled(&test).await;
        let suggested = async |text: &str| {
            let filter = model::SuggestFilter { q: text.into(), limit: None };
            let items = suggest(test.app(), &filter).await.unwrap().items;
            items.into_iter().map(|item| item.text).collect::<Vec<_>>()
        };
        for (typed, expected) in [
            ("plum", &["plumber", "plumbers", "Plumbing and heating"][..]),
            ("emergency plu", &["emergency plumbers"]),
            ("窓ガ", &["窓ガラス修理"]),
            ("ガラ", &["ガラス修理"]),
            ("gro", &["große"]),
            ("muelle", &["müller"]),
            ("", &[]),
            ("zzz", &[]),
            ("plumber ", &[]),
        ] {
            let items = suggested(typed).await;
            assert!(items.iter().take(expected.len()).eq(expected.iter()), "{typed}: {items:?}");
            assert!(!expected.is_empty() || items.is_empty(), "{typed}: {items:?}");
        }
        let pets = suggest(test.app(), &model::SuggestFilter { q: "pupp".into(), limit: Some(1) }).await.unwrap().items;
        assert_eq!(pets, [model::Suggestion { text: "Pets".into(), category: Some(Category::Pets) }]);
        for limit in [0, 21] {
            assert!(suggest(test.app(), &model::SuggestFilter { q: "p".into(), limit: Some(limit) }).await.is_err());
        }
        test.close().await;
    }
}

#[tokio::test]
async fn an_earlier_release_is_indexed_again() {
    for test in testing::apps().await {
        filled(&test).await;
        let write = test.app().db.write(|conn| {
            use futures::FutureExt;
            async move {
                q!(conn => exec, "UPDATE services SET search_text = '+plumber =plumber plumber @plumbing' WHERE title = 'Plumber for old houses'")?;
                q!(conn => exec, "UPDATE services SET search_text = '' WHERE title <> 'Plumber for old houses'")?;
                q!(conn => exec, "INSERT INTO unindexed_services (service_id) SELECT id FROM services")?;
                Ok(())
            }
            .boxed()
        });
        write.await.unwrap();
        // In the meantime, words are found as they were.
        assert_eq!(found(&test, &q("plumber")).await, ["Plumber for old houses"]);
        assert_eq!(found(&test, &q("bath room")).await, Vec::<String>::new());
        assert_eq!(reindex(test.app()).await.unwrap(), market().len() as u64);
        assert_eq!(reindex(test.app()).await.unwrap(), 0);
        assert_eq!(found(&test, &q("plumbers in Berlin")).await[0], "Plumber for old houses");
        assert_eq!(found(&test, &q("bath room")).await[..2], ["New bath room in a week", "Bathroom tiles"]);
        test.close().await;
    }
}
